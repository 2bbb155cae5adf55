#!/usr/bin/env bash
# Analyse a video with curl, and print the answer's JSON.
#
#     analyze.sh VIDEO [URL]
#
# A service that asks for a key reads it from MIEN_KEY here. A long video takes several requests: as long as the analysis has
# not ended, the answer says where to ask again.
set -euo pipefail
video=$1
url=${2:-http://127.0.0.1:8000}
ask() {
  curl --fail-with-body --silent --show-error --write-out '\nnext: %header{location}' \
    ${MIEN_KEY:+--header "Authorization: Bearer $MIEN_KEY"} "$@"
}
show() { printf '%s\n' "${answer%$'\nnext: '*}"; }
trap show EXIT  # also if the answer is an error
quoted=${video//\\/\\\\} quoted=${quoted//\"/\\\"}  # curl gives ; and , a meaning outside quotes
answer=$(ask --form "video=@\"$quoted\"" "$url/analyze")
while location=${answer##*$'\nnext: '} && [[ -n $location ]]; do
  answer=$(ask --header "Prefer: wait=60" "$url$location")
done

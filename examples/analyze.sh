#!/usr/bin/env bash
# Analyse a video with curl, and print the answer's JSON.
#
#     analyze.sh VIDEO [URL]
#
# A service that asks for a key reads it from MIEN_API_KEY here.
set -euo pipefail
video=$1
url=${2:-http://127.0.0.1:8000}
curl --fail-with-body --silent --show-error \
  ${MIEN_API_KEY:+--header "Authorization: Bearer $MIEN_API_KEY"} \
  --form "video=@$video" "$url/analyze"

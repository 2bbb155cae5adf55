-- Opens a slot for an upload that goes straight to the store, if there are not too many.
-- KEYS: slots, reserved, reserved_bytes
-- ARGV: now_ms, end of the slot in ms, job id, maximum slots, id of the API key or "", its maximum uploads
-- Returns {} if it is open, else {the exhausted resource, seconds after which to try again}.
forget_expired(ARGV[1], KEYS[2], KEYS[3], KEYS[1])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return {'slots', 60} end
if ARGV[5] ~= '' then
  local uploading = count_of(ARGV[5], KEYS[1], ARGV[3], ARGV[1]) + count_of(ARGV[5], KEYS[2], ARGV[3], ARGV[1])
  if uploading >= tonumber(ARGV[6]) then return {'key_uploads', 60} end
end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
return {}

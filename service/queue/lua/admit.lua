-- Looks for room for an upload, and reserves it once its first bytes have come; a repeat changes what is reserved.
-- KEYS: queue, live_bytes, reserved, reserved_bytes, probe, slots, unfinished jobs of the API key, its seconds of video
-- ARGV: now_ms, end of the lease in ms (0: reserve nothing yet), job id, bytes that it needs in all, most jobs,
--   most bytes, most seconds of wait, bytes a second of all workers (0: unknown), id of the API key or "", its most
--   jobs, uploads and seconds of video
-- Returns {} where there is room, else {what there is none of, seconds after which to try again}.
-- A server that takes nothing refuses here, before the upload is read; after any other write of a script it would not.
redis.call('SET', KEYS[5], '1', 'EX', 60)
local owner = ARGV[9]
forget_expired(ARGV[1], KEYS[3], KEYS[4], KEYS[6])
local queued = tonumber(redis.call('GET', KEYS[2]) or '0')
if not redis.call('ZSCORE', KEYS[3], ARGV[3]) then
  if redis.call('XLEN', KEYS[1]) + redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[5]) then return {'jobs', 30} end
  if tonumber(ARGV[8]) > 0 and queued / tonumber(ARGV[8]) > tonumber(ARGV[7]) then return {'wait', 30} end
  if owner ~= '' then
    local uploading = count_of(owner, KEYS[3], ARGV[3])
    if redis.call('SCARD', KEYS[7]) + uploading >= tonumber(ARGV[10]) then return {'key_jobs', 30} end
    if uploading + count_of(owner, KEYS[6], ARGV[3]) >= tonumber(ARGV[11]) then return {'key_uploads', 30} end
    if tonumber(redis.call('GET', KEYS[8]) or '0') >= tonumber(ARGV[12]) then
      return {'key_video', math.max(1, redis.call('TTL', KEYS[8]))}
    end
  end
end
local bytes = queued + tonumber(ARGV[4])
local reserved = redis.call('HGETALL', KEYS[4])
for i = 1, #reserved, 2 do
  if reserved[i] ~= ARGV[3] then bytes = bytes + tonumber(reserved[i + 1]) end
end
if bytes > tonumber(ARGV[6]) then return {'bytes', 30} end
if ARGV[2] ~= '0' then
  redis.call('HSET', KEYS[4], ARGV[3], ARGV[4])
  redis.call('ZADD', KEYS[3], ARGV[2], ARGV[3])
end
return {}

-- Checks whether there is room for an upload, and reserves it once its first bytes have arrived; a repeat changes the
-- reservation.
-- KEYS: queue, live_bytes, reserved, reserved_bytes, probe, slots, unfinished jobs of the API key, its seconds of video,
--   live_price
-- ARGV: now_ms, end of the lease in ms (0: reserve nothing yet), job id, bytes that it needs in all, maximum jobs,
--   maximum bytes, maximum seconds of wait, price that all workers process in a second (0: unknown), id of the API key
--   or "", its maximum jobs, uploads and seconds of video
-- Returns {} if there is room, else {the exhausted resource, seconds after which to try again}.
-- A refusal writes nothing, because each write waits for the disk, which would become the bottleneck under overload.
local now_ms, id, owner = ARGV[1], ARGV[3], ARGV[9]
local queued = tonumber(redis.call('GET', KEYS[2]) or '0')
if tonumber(redis.call('ZSCORE', KEYS[3], id) or '0') <= tonumber(now_ms) then
  local uploads = redis.call('ZCOUNT', KEYS[3], '(' .. now_ms, '+inf')
  if redis.call('XLEN', KEYS[1]) + uploads >= tonumber(ARGV[5]) then return {'jobs', 30} end
  local rate, price = tonumber(ARGV[8]), tonumber(redis.call('GET', KEYS[9]) or '0')
  if rate > 0 and price / rate > tonumber(ARGV[7]) then return {'wait', 30} end
  if owner ~= '' then
    local uploading = count_of(owner, KEYS[3], id, now_ms)
    if redis.call('SCARD', KEYS[7]) + uploading >= tonumber(ARGV[10]) then return {'key_jobs', 30} end
    if uploading + count_of(owner, KEYS[6], id, now_ms) >= tonumber(ARGV[11]) then return {'key_uploads', 30} end
    if tonumber(redis.call('GET', KEYS[8]) or '0') >= tonumber(ARGV[12]) then
      return {'key_video', math.max(1, redis.call('TTL', KEYS[8]))}
    end
  end
end
local bytes = queued + tonumber(ARGV[4])
for _, other in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. now_ms, '+inf')) do
  if other ~= id then bytes = bytes + tonumber(redis.call('HGET', KEYS[4], other) or '0') end
end
if bytes > tonumber(ARGV[6]) then return {'bytes', 30} end
-- A server that accepts no writes refuses here, before the upload is read; a later write of a script is never refused.
redis.call('SET', KEYS[5], '1', 'EX', 60)
forget_expired(now_ms, KEYS[3], KEYS[4], KEYS[6])
if ARGV[2] ~= '0' then
  redis.call('HSET', KEYS[4], id, ARGV[4])
  redis.call('ZADD', KEYS[3], ARGV[2], id)
end
return {}

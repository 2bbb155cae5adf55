-- Schedules a failed callback again, or removes it if it failed too often or its job is gone.
-- KEYS: callbacks, job
-- ARGV: job id, now_ms, pauses in s …
-- Returns 1 if it is scheduled again, else 0.
if redis.call('EXISTS', KEYS[2]) == 1 then
  local pause = ARGV[redis.call('HINCRBY', KEYS[2], 'callback_tries', 1) + 2]
  if pause then
    redis.call('ZADD', KEYS[1], ARGV[2] + pause * 1000, ARGV[1])
    return 1
  end
end
redis.call('ZREM', KEYS[1], ARGV[1])
return 0

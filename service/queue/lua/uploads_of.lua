-- Functions for the scripts that let uploads begin; scripts.py puts this text before theirs.

-- Removes what has expired: reservations whose gateway died, and slots that were not used in time.
local function forget_expired(now_ms, reserved, reserved_bytes, slots)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', reserved, '-inf', now_ms)) do
    redis.call('ZREM', reserved, id)
    redis.call('HDEL', reserved_bytes, id)
  end
  redis.call('ZREMRANGEBYSCORE', slots, '-inf', now_ms)
end

-- Returns the number of ids in a sorted set that have not expired and belong to an API key, without one of them.
local function count_of(owner, key, but, now_ms)
  local found = 0
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. now_ms, '+inf')) do
    if id ~= but and string.sub(id, 1, #owner + 1) == owner .. '-' then found = found + 1 end
  end
  return found
end

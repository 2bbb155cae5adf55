-- Tells what happened in an attempt, if it is still the job's current one: each as an event, and the progress in the
-- job, too. Said again it adds nothing, for the attempt numbers its events. The oldest are dropped beyond a bound.
-- KEYS: job, events
-- ARGV: job id, fence, number of the first event, most events, channel, done_s ("" where there is none), total_s
--   ("" where unknown), then kind and data of each event
-- Returns 1, or 0 where the job ended, was erased or went to another attempt.
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[2] or redis.call('HGET', KEYS[1], 'state') ~= 'running' then return 0 end
local number = tonumber(ARGV[3])
local last = redis.call('HGET', KEYS[1], 'event')
if number <= tonumber(string.match(last, '%d+$')) then return 1 end
if ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'done_s', ARGV[6], 'total_s', ARGV[7]) end
for i = 8, #ARGV, 2 do
  last = redis.call('XADD', KEYS[2], ARGV[2] .. '-' .. number, 'kind', ARGV[i], 'data', ARGV[i + 1])
  number = number + 1
end
redis.call('XTRIM', KEYS[2], 'MAXLEN', '~', ARGV[4])
redis.call('HSET', KEYS[1], 'event', last)
redis.call('PUBLISH', ARGV[5], ARGV[1])
return 1

-- Appends the events of an attempt, if it is still the job's current one, and stores the progress in the job, too. A
-- repeat adds nothing, because the attempt numbers its events. Beyond a limit the oldest are dropped.
-- KEYS: job, events
-- ARGV: job id, fence, number of the first event, maximum events, channel, done_s ("" if there is none), total_s ("" if
--   unknown), then kind and data of each event
-- Returns 1, or 0 if the job ended, was erased or has another attempt.
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

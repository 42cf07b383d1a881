/**
 * Counts requests of several keys at once on Redis's own clock, and answers how many milliseconds each is ahead.
 *
 * KEYS: the buckets. ARGV: for each the milliseconds to add, and how far ahead it may be at most.
 */
export const COUNT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local ahead = {}
for index, key in ipairs(KEYS) do
  local full = tonumber(redis.call('GET', key) or '0')
  if full < now then full = now end
  full = math.min(full + tonumber(ARGV[index * 2 - 1]), now + tonumber(ARGV[index * 2]))
  redis.call('SET', key, string.format('%.3f', full), 'PX', math.ceil(full - now) + 1000)
  ahead[index] = string.format('%.3f', full - now)
end
return ahead`;

/**
 * Counts a failed attempt: answers 0, or the milliseconds until the window ends when there were too many.
 *
 * KEYS: the count. ARGV: how many are allowed, and the window in milliseconds.
 */
export const ATTEMPT = `
local count = redis.call('INCR', KEYS[1])
local rest = redis.call('PTTL', KEYS[1])
if rest < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  rest = tonumber(ARGV[2])
end
if count > tonumber(ARGV[1]) then return rest end
return 0`;

/**
 * Takes an attempt back; a window that has ended in between stays ended.
 *
 * KEYS: the count.
 */
export const TAKE_BACK = `
if tonumber(redis.call('GET', KEYS[1]) or '0') > 0 then redis.call('DECR', KEYS[1]) end`;

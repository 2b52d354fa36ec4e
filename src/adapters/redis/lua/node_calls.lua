-- Calls that one supervisor passes on to the supervisor of another machine: a stream for each machine.

local TAKE_MS = 3000 -- milliseconds after which nobody takes a call any more
local WAITING = 64   -- calls that can wait
local STREAM_KEPT = 60000

-- hero_node_send calls | id call: adds a call for the supervisor of a machine, who is to answer below `id`. Answers with its entry, or
-- nil while too many wait.
freeing('hero_node_send', function(keys, args)
  local calls = keys[1]
  redis.call('XTRIM', calls, 'MINID', text_of(now_ms() - TAKE_MS))
  if redis.call('XLEN', calls) >= WAITING then return nil end
  local entry = redis.call('XADD', calls, '*', 'id', args[1], 'call', args[2])
  redis.call('PEXPIRE', calls, STREAM_KEPT)
  return entry
end)

-- hero_node_take calls | entry: takes a call, which nobody else can take afterwards. Answers 1, or 0 if somebody has taken it, or the
-- time for it is over.
freeing('hero_node_take', function(keys, args)
  if redis.call('XDEL', keys[1], args[1]) == 0 then return 0 end
  local sent = tonumber(string.match(args[1], '^%d+'))
  return now_ms() - sent <= TAKE_MS and 1 or 0
end)

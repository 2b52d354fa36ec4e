-- Calls that one supervisor passes on to the supervisor of another machine: a stream for each machine.

local TAKE_MS = 3000 -- milliseconds after which nobody takes a call any more
local WAITING = 64   -- calls that can wait
local STREAM_KEPT = 60000

local NODES_KEPT = 604800000 -- milliseconds for which a machine is known after it was seen last
local MOST_NODES = 1000      -- machines that are known

-- Removes machines that nobody has seen for a week, and the oldest ones beyond the limit.
local function forget_nodes(seen, now)
  local gone = redis.call('ZRANGE', seen, '-inf', text_of(now - NODES_KEPT), 'BYSCORE', 'LIMIT', '0', '100')
  if #gone == 0 then
    local beyond = redis.call('ZCARD', seen) - MOST_NODES
    if beyond > 0 then gone = redis.call('ZRANGE', seen, '0', text_of(math.min(beyond, 100) - 1)) end
  end
  if #gone > 0 then redis.call('ZREM', seen, unpack(gone)) end
end

-- hero_nodes seen | node term_ms: notes that the supervisor of a machine is there, and makes this machine the leader of the fleet for the
-- term, or keeps it that, unless it is another one. With '' for the machine nothing is noted. Answers the time, the leader or '', and for
-- each known machine its name and the time when it was seen last.
freeing('hero_nodes', function(keys, args)
  local seen, node, now = keys[1], args[1], now_ms()
  local lead = seen .. ':lead'
  local leader = redis.call('GET', lead) or ''
  if node ~= '' then
    redis.call('ZADD', seen, text_of(now), node)
    forget_nodes(seen, now)
    if leader == '' or leader == node then
      leader = node
      redis.call('SET', lead, node, 'PX', args[2])
    end
  end
  local known = redis.call('ZRANGE', seen, '0', '-1', 'WITHSCORES')
  return { text_of(now), leader, unpack(known) }
end)

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

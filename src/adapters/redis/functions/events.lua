-- The stream of events that are not about jobs, and what every reader of a stream of events asks.

local CONTROL_KEPT = 20000
local CONTROL_AGE = 604800000  -- milliseconds: seven days

-- hero_tell log | per event: what actor value json
--   what: state (value: the state that an actor is in now), exit (value: the pid that ended), fresh (the actor is a new
--   one, or gone), or '' for all else
-- Adds events. A state that was told before is left out, and so is an end: two supervisors of one node see the same
-- actors, and so does the one that comes after. `old` is the state that was told last, so that the chain has no gap.
freeing('hero_tell', function(keys, args)
  local log, told, added = keys[1], keys[1] .. ':told', 0
  for i = 1, #args, 4 do
    local what, actor, value, json = args[i], args[i + 1], args[i + 2], args[i + 3]
    local field = what == 'exit' and actor .. ' exit' or actor
    local old, known = '', false
    if what == 'state' or what == 'exit' then
      old = redis.call('HGET', told, field) or ''
      known = old == value
      if not known then redis.call('HSET', told, field, value) end
    elseif what == 'fresh' then
      redis.call('HDEL', told, actor, actor .. ' exit')
    end
    if not known then
      if what == 'state' then
        redis.call('XADD', log, 'MAXLEN', '~', CONTROL_KEPT, '*', 'e', json, 'old', old)
      else
        redis.call('XADD', log, 'MAXLEN', '~', CONTROL_KEPT, '*', 'e', json)
      end
      added = added + 1
    end
  end
  redis.call('XTRIM', log, 'MINID', '~', now_ms() - CONTROL_AGE)
  return added
end)

-- hero_kept stream: {whether something was trimmed, id of the first entry or '', last id that was given}
reading('hero_kept', function(keys)
  if redis.call('EXISTS', keys[1]) == 0 then return { 0, '', '0-0' } end
  local info = redis.call('XINFO', 'STREAM', keys[1])
  local first = get(info, 'first-entry')
  local trimmed = get(info, 'entries-added') ~= get(info, 'length')
  return { trimmed and 1 or 0, first and first[1] or '', get(info, 'last-generated-id') }
end)

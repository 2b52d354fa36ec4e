-- The stream of events that are not about jobs, and the extent of any stream of events.

local LOG_ENTRIES = 20000
local LOG_AGE_MS = 604800000 -- seven days
local CALL_KEPT = 60000      -- milliseconds for which a repeat of a call is known; no call takes longer

-- Adds one event, unless it says again what was emitted last about its actor. Two supervisors of one node see the same actors,
-- and so does the next one. Answers with 1 or 0.
local function emit_event(log, emitted, kind, actor, value, json)
  local old
  if kind == 'state' or kind == 'exit' then
    local field = kind == 'exit' and actor .. ' exit' or actor
    old = redis.call('HGET', emitted, field) or ''
    if old == value then return 0 end
    redis.call('HSET', emitted, field, value)
  elseif kind == 'fresh' then
    redis.call('HDEL', emitted, actor, actor .. ' exit')
  end
  if kind == 'state' then
    -- The state that was emitted last, so that the chain of states has no gap.
    redis.call('XADD', log, 'MAXLEN', '~', LOG_ENTRIES, '*', 'e', json, 'old', old)
  else
    redis.call('XADD', log, 'MAXLEN', '~', LOG_ENTRIES, '*', 'e', json)
  end
  return 1
end

-- True if this very call has been made before: its answer was lost.
local function is_repeat(log, call)
  return not redis.call('SET', log .. ':call:' .. call, '1', 'NX', 'PX', CALL_KEPT)
end

-- hero_emit log, per event: kind actor value json; then perhaps call
--   kind: state (value: the state that an actor is in now), exit (value: the pid that ended), fresh (the actor is new, or
--   gone), or '' for all else
--   call: a name of this call, so that a repeat of it adds nothing; older supervisors give none
-- Adds events. Answers with how many were new.
freeing('hero_emit', function(keys, args)
  local log, added = keys[1], 0
  if #args % 4 == 1 and is_repeat(log, args[#args]) then return 0 end
  for i = 1, #args - 3, 4 do
    added = added + emit_event(log, log .. ':told', args[i], args[i + 1], args[i + 2], args[i + 3])
  end
  redis.call('XTRIM', log, 'MINID', '~', now_ms() - LOG_AGE_MS)
  return added
end, 'hero_tell')

-- hero_extent stream: {1 if entries were trimmed, id of the first entry or '', last id that was given}
reading('hero_extent', function(keys)
  if redis.call('EXISTS', keys[1]) == 0 then return { 0, '', '0-0' } end
  local info = redis.call('XINFO', 'STREAM', keys[1])
  local first = get_field(info, 'first-entry')
  local is_trimmed = get_field(info, 'entries-added') ~= get_field(info, 'length')
  return { is_trimmed and 1 or 0, first and first[1] or '', get_field(info, 'last-generated-id') }
end, 'hero_kept')

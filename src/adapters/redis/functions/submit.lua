-- hero_submit q | type limit instance others | per job: id flags run_at target request fingerprint queue_timeout n field value …
--   others: the other script types whose ids and requests are checked too, as one word ('' on a cluster)
--   flags: w = the caller waits, p = ping, x = the id is the caller's, i = the entry carries the fields,
--   u = there is no such target
-- Answers with the time and one item a job: 1, or a list that begins with dup, exists, reused, gone, stray or full.

local function waiting(k)
  local n = redis.call('XLEN', k.q) + redis.call('XLEN', k.front) + redis.call('ZCARD', k.delayed)
  return n - (pending(k.q)[1] or 0) - (pending(k.front)[1] or 0)
end

local function same_request(k, others, request, fingerprint)
  local found = redis.call('GET', k.req .. request)
  if not found then
    for _, name in ipairs(others) do
      local other = redis.call('GET', 'hero:req:{' .. name .. '}:' .. request)
      if other then
        local _, _, first = string.match(other, '^(%S+) (%S*) (%d+)$')
        return { 'reused', first or '0' }
      end
    end
    return nil
  end
  local id, print, first = string.match(found, '^(%S+) (%S*) (%d+)$')
  if print ~= fingerprint then return { 'reused', first or '0' } end
  return { 'dup', id }
end

local function id_taken(k, id, others)
  if redis.call('EXISTS', k.rec .. id) == 1 then return true end
  for _, name in ipairs(others) do
    if redis.call('EXISTS', 'hero:job:{' .. name .. '}:' .. id) == 1 then return true end
  end
  return false
end

-- Notes one more waiter in the record; false when there are too many.
local function add_waiter(k, id, rep, instance)
  local list, n = rep or '', 0
  for word in string.gmatch(list, '%S+') do
    if word == instance then return end
    n = n + 1
  end
  if n < WAITERS then redis.call('HSET', k.rec .. id, 'rep', list == '' and instance or list .. ' ' .. instance) end
end

local function attach(k, id, instance)
  local rep = redis.call('HMGET', k.rec .. id, 'status', 'rep')
  if not rep[1] then return nil end
  if not ended(rep[1]) and instance ~= '' then add_waiter(k, id, rep[2], instance) end
  return basic(k, id)
end

redis.register_function('hero_submit', function(keys, args)
  local k, now = queue(keys[1]), now_ms()
  local at_now = text_of(now)
  local script_type, limit, instance = args[1], tonumber(args[2]), args[3]
  local foreign = {}
  if args[4] == '1' then
    for _, name in ipairs(TYPES) do
      if name ~= script_type then foreign[#foreign + 1] = name end
    end
  end
  local room = nil -- how many jobs may still be added, counted only when the streams are that long
  if redis.call('XLEN', k.q) + redis.call('XLEN', k.front) + redis.call('ZCARD', k.delayed) + (#args - 4) / 8 > limit then
    room = limit - waiting(k)
  end
  local answers, listed, none = { now }, {}, {}
  local i = 5
  while i <= #args do
    local id, flags, run_at, target = args[i], args[i + 1], tonumber(args[i + 2]), args[i + 3]
    local request, fingerprint, queue_timeout = args[i + 4], args[i + 5], tonumber(args[i + 6])
    local first = i + 8
    local last = i + 7 + tonumber(args[i + 7])
    i = last + 1
    local ping = string.find(flags, 'p', 1, true)
    local wanted = string.find(flags, 'w', 1, true)
    local answer = nil
    if request ~= '' then
      answer = same_request(k, foreign, request, fingerprint)
      if answer and answer[1] == 'dup' then
        local fields = attach(k, answer[2], wanted and instance or '')
        if fields then answer[3] = fields else answer[1] = 'gone' end
      end
    end
    if not answer and string.find(flags, 'u', 1, true) then answer = { 'stray' } end
    if not answer and id_taken(k, id, string.find(flags, 'x', 1, true) and foreign or none) then
      answer = { 'exists' }
    end
    if not answer and room and not ping then
      if target ~= '' then
        local length = redis.call('XLEN', inbox(k, target))
        if length >= limit then answer = { 'full', length } end
      elseif room <= 0 then
        answer = { 'full', limit - room }
      else
        room = room - 1
      end
    end
    if not answer then
      local rec, state, at, due, wait_until = k.rec .. id, 'queued', '', '', ''
      if run_at > now then
        state, due = 'scheduled', run_at
        redis.call('ZADD', k.delayed, run_at, id)
      else
        local inline = string.find(flags, 'i', 1, true)
        if target ~= '' then
          at = 'i:' .. (inline and add_pinned(k, target, 'attempt', '1', unpack(args, first, last))
            or add_pinned(k, target, 'attempt', '1', 'id', id))
        elseif inline then
          at = 'q:' .. redis.call('XADD', k.q, '*', 'attempt', '1', unpack(args, first, last))
        else
          at = 'q:' .. redis.call('XADD', k.q, '*', 'attempt', '1', 'id', id)
        end
        if queue_timeout > 0 then
          wait_until = now + queue_timeout
          redis.call('ZADD', k.waits, wait_until, id)
        end
      end
      if due ~= '' then
        redis.call('HSET', rec, 'status', state, 'due_at', due, 'rep', wanted and instance or '', 'created_at', at_now,
          'updated_at', at_now, unpack(args, first, last))
      else
        redis.call('HSET', rec, 'status', state, 'at', at, 'rep', wanted and instance or '', 'created_at', at_now,
          'updated_at', at_now, unpack(args, first, last))
        if wait_until ~= '' then redis.call('HSET', rec, 'wait_until', wait_until) end
      end
      if request ~= '' then
        redis.call('SET', k.req .. request, id .. ' ' .. fingerprint .. ' ' .. now, 'PX', REQUEST_KEPT)
      end
      if not ping then
        -- The caller is the fourth field of what was submitted.
        local caller = args[first + 6] == 'caller_id' and args[first + 7] or ''
        add_event(k, id, state, '0', '', '', caller)
        listed[#listed + 1] = at_now
        listed[#listed + 1] = id
      end
      answer = 1
    end
    answers[#answers + 1] = answer
  end
  if #listed > 0 then
    redis.call('ZADD', k.jobs, unpack(listed))
    redis.call('HINCRBY', k.counts, 'submitted', #listed / 2)
  end
  return answers
end)

-- hero_attach q | id instance: the basic fields of a job; while it has not ended, its end will be told to `instance`.
freeing('hero_attach', function(keys, args)
  return attach(queue(keys[1]), args[1], args[2])
end)

-- hero_reply q | instance ttl: makes sure that the reply stream is there and lives on; answers with its last id.
freeing('hero_reply', function(keys, args)
  local key = queue(keys[1]).rep .. args[1]
  if redis.call('EXISTS', key) == 0 then redis.call('XADD', key, '*', '.', '') end
  redis.call('PEXPIRE', key, args[2])
  return get(redis.call('XINFO', 'STREAM', key), 'last-generated-id')
end)

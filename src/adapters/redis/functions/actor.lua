-- hero_announce q | actor consumer pid draining idle_ms version pending refused: makes the groups and says that the actor
-- is there.
--   idle_ms: time since it last took or finished a job; '' when it never did
--   pending: ends that it could not write yet; refused: calls with ends that were refused since its start
-- A process that drains does not take the place of another one of the actor that goes on: it was left over, and is on
-- its way out, while its successor works.
-- Answers with the number of the pause: odd while the queue is paused. The higher of two numbers holds.
local YIELDS_MS = 10000
local function yields(k, actor, consumer, now)
  local presence = redis.call('HGET', k.actors, actor)
  local there = presence and cjson.decode(presence)
  return there and there.consumer ~= consumer and not there.draining and now - there.beat_ms < YIELDS_MS
end

freeing('hero_announce', function(keys, args)
  local k = queue(keys[1])
  for _, key in ipairs({ k.q, k.front, inbox(k, args[1]), control(k, args[1]) }) do
    redis.pcall('XGROUP', 'CREATE', key, GROUP, '0', 'MKSTREAM')
  end
  local now, idle = now_ms(), tonumber(args[5])
  if args[4] ~= '1' or not yields(k, args[1], args[2], now) then
    redis.call('HSET', k.actors, args[1], cjson.encode({
      consumer = args[2], pid = tonumber(args[3]), draining = args[4] == '1', beat_ms = now,
      last_job_ms = idle and now - idle or nil, version = args[6], pending_ends = tonumber(args[7]),
      refused_ends = tonumber(args[8]),
    }))
  end
  return tonumber(redis.call('HGET', k.pause, 'n')) or 0
end)

-- hero_leave q | actor consumer: takes the announcement back, and the consumer where it holds nothing.
freeing('hero_leave', function(keys, args)
  local k = queue(keys[1])
  local presence = redis.call('HGET', k.actors, args[1])
  if presence and cjson.decode(presence).consumer == args[2] then redis.call('HDEL', k.actors, args[1]) end
  for _, key in ipairs({ k.q, k.front, inbox(k, args[1]) }) do
    if #pending(key, '-', '+', 1, args[2]) == 0 then
      redis.pcall('XGROUP', 'DELCONSUMER', key, GROUP, args[2])
    end
  end
  redis.pcall('XGROUP', 'DELCONSUMER', control(k, args[1]), GROUP, args[2])
  return 1
end)

-- hero_wake q | actor consumer: ends the waiting read of this process.
freeing('hero_wake', function(keys, args)
  tell(queue(keys[1]), args[1], 'x', 'wake', 'for', args[2])
  return 1
end)

-- Removes an entry of which there is no record: it is nobody's job.
local function forget_entry(key, eid)
  redis.call('XACK', key, GROUP, eid)
  redis.call('XDEL', key, eid)
end

-- hero_start q | actor | per job: lane eid id attempt started_ms
-- Answers with 1 or 0 a job; 0: the lease is void.
freeing('hero_start', function(keys, args)
  local k, now, answers = queue(keys[1]), now_ms(), {}
  for i = 2, #args, 5 do
    local letter, eid, id = args[i], args[i + 1], args[i + 2]
    local r = redis.call('HMGET', k.rec .. id, 'at', 'status', 'kind', 'caller_id')
    local held = r[1] == letter .. ':' .. eid and (r[2] == 'queued' or r[2] == 'running')
    if not r[2] then forget_entry(lane(k, letter, args[1]), eid) end
    if held and r[2] == 'queued' then
      redis.call('HSET', k.rec .. id, 'status', 'running', 'attempt', args[i + 3], 'actor_id', args[1],
        'started_at', args[i + 4], 'updated_at', now)
      if r[3] ~= 'ping' then
        add_event(k, id, 'running', args[i + 3], args[1], 'queued', r[4])
        notify(k, id)
      end
    end
    answers[#answers + 1] = held and 1 or 0
  end
  return answers
end)

-- How often one job may be given back without that its attempt counts.
local FREE_ATTEMPTS = 10

local function try_again(k, now, key, letter, eid, id, r, attempt, actor, started, free, delay, message, detail)
  local used = attempt
  if free then used = attempt - 1 end
  local entry, state = read_entry(key, eid), 'queued'
  if delay > 0 then
    state = 'retry_wait'
    redis.call('HSET', k.rec .. id, 'status', 'retry_wait', 'attempt', used, 'actor_id', actor, 'due_at', now + delay,
      'error', message, 'error_detail', detail, 'updated_at', now)
    redis.call('ZADD', k.delayed, now + delay, id)
  else
    local at = add_again(k, letter, key, eid, id, entry, used + 1)
    redis.call('HSET', k.rec .. id, 'status', 'queued', 'at', at, 'attempt', used, 'actor_id', actor, 'updated_at', now)
  end
  if not r.ping then
    if not free then remember(k, id, now, attempt, actor, started, state, detail) end
    add_event(k, id, state, used, actor, r.status, r.caller, 'error', detail)
    notify(k, id)
  end
end

-- hero_finish q | actor | per end: lane eid id attempt started_ms verdict a b delay_ms
--   verdict ok: a = text, b = none, text or json; error: a = message, b = JSON, not to be tried again;
--   retry: as error, tried again while attempts are left; free: as retry, and the attempt does not count
--   before an end, perhaps: 'log' and one job of hero_log, the last words of the same job
-- Answers with 1, 0 or a text an end; 0: the lease was void and nothing was written; a text: why this end could not be
-- written, while the others were.
local function end_attempt(k, b, now, args, i, actor, words, count)
  local letter, eid, id, attempt, started = args[i], args[i + 1], args[i + 2], args[i + 3], args[i + 4]
  local verdict, text, detail = args[i + 5], args[i + 6], args[i + 7]
  local key = lane(k, letter, actor)
  local r = load(k, id)
  if not r then forget_entry(key, eid) end
  if not r or r.at ~= letter .. ':' .. eid or ended(r.status) or redis.call('XACK', key, GROUP, eid) ~= 1 then return 0 end
  drop(b, key, eid)
  if r.status ~= 'running' and not r.ping then add_event(k, id, 'running', attempt, actor, r.status, r.caller) end
  r.status = 'running'
  if words and not r.ping then add_output(k, now, id, r, attempt, args, words, count) end
  if verdict == 'ok' then
    finish(k, b, now, id, r, 'succeeded', attempt, actor, started, detail, text, 'output', text, 'result_kind', detail)
    return 1
  end
  local n = tonumber(attempt)
  load_more(k, id, r)
  local free = verdict == 'free' and redis.call('HINCRBY', k.rec .. id, 'free', 1) <= FREE_ATTEMPTS
  if free or ((verdict == 'retry' or verdict == 'free') and n < r.max) then
    try_again(k, now, key, letter, eid, id, r, n, actor, started, free, tonumber(args[i + 8]), text, detail)
  else
    finish(k, b, now, id, r, 'failed', attempt, actor, started, 'error', detail, 'error', text, 'error_detail', detail)
    if r.max > 1 and not r.ping then bury(k, id, attempt, actor, text) end
  end
  return 1
end

freeing('hero_finish', function(keys, args)
  local k, now, answers = queue(keys[1]), now_ms(), {}
  local b = batch(now)
  local actor = args[1]
  local i = 2
  while i <= #args do
    local words, count
    if args[i] == 'log' then
      words, count = i + 6, tonumber(args[i + 5])
      i = words + 4 * count
    end
    local ok, answer = pcall(end_attempt, k, b, now, args, i, actor, words, count)
    answers[#answers + 1] = ok and answer or words_of(answer)
    i = i + 9
  end
  flush(k, b)
  return answers
end)

local ORDERED = 500 -- entries in front that a give-back will put in order

local function order_of(eid)
  local millis, sequence = string.match(eid, '^(%d+)-(%d+)$')
  return { tonumber(millis) or 0, tonumber(sequence) or 0 }
end

local function before(a, b)
  if a.order[1] ~= b.order[1] then return a.order[1] < b.order[1] end
  return a.order[2] < b.order[2]
end

-- Puts entries ({eid, fields, given}) back at the head of a stream: what waits there and stood behind them at first is
-- added again behind them.
local function put_back(k, b, now, letter, key, given)
  for _, entry in ipairs(given) do entry.order = order_of(get(entry.fields, 'order') or entry.eid) end
  table.sort(given, before)
  local all = given
  local after = last_delivered(key)
  if after then
    local rest = redis.call('XRANGE', key, '(' .. after, '+', 'COUNT', ORDERED)
    if #rest < ORDERED then
      all = {}
      for _, entry in ipairs(given) do all[#all + 1] = entry end
      for _, found in ipairs(rest) do
        local entry = { eid = found[1], fields = found[2], waits = true }
        entry.order = order_of(get(entry.fields, 'order') or entry.eid)
        if before(given[1], entry) then all[#all + 1] = entry end
      end
      table.sort(all, before)
    end
  end
  for _, entry in ipairs(all) do
    local id = get(entry.fields, 'id')
    if not get(entry.fields, 'order') then set(entry.fields, 'order', entry.eid) end
    local eid = redis.call('XADD', key, '*', unpack(entry.fields))
    if entry.waits then redis.call('XDEL', key, entry.eid) end
    if id then redis.call('HSET', k.rec .. id, 'at', letter .. ':' .. eid) end
  end
end

-- hero_release q | actor | per job: lane eid id
-- Gives jobs back as if they had not been taken.
freeing('hero_release', function(keys, args)
  local k, now = queue(keys[1]), now_ms()
  local b = batch(now)
  local actor, front, mine, released = args[1], {}, {}, 0
  for i = 2, #args, 3 do
    local letter, eid, id = args[i], args[i + 1], args[i + 2]
    local key = lane(k, letter, actor)
    local r = load(k, id)
    if r and r.at == letter .. ':' .. eid and not ended(r.status) and redis.call('XACK', key, GROUP, eid) == 1 then
      load_more(k, id, r)
      local fields = read_entry(key, eid) or { 'id', id, 'attempt', r.attempt + 1 }
      drop(b, key, eid)
      local list = letter == 'i' and mine or front
      list[#list + 1] = { eid = eid, fields = fields }
      if r.status == 'running' then
        redis.call('HSET', k.rec .. id, 'status', 'queued', 'attempt', r.attempt - 1, 'updated_at', now)
        if not r.ping then
          add_event(k, id, 'queued', r.attempt - 1, actor, r.status, r.caller)
          notify(k, id)
        end
      end
      if r.waits then redis.call('ZADD', k.waits, r.waits, id) end
      released = released + 1
    end
  end
  if #front > 0 then put_back(k, b, now, 'f', k.front, front) end
  if #mine > 0 then put_back(k, b, now, 'i', inbox(k, actor), mine) end
  flush(k, b)
  return released
end)

-- hero_reject q | actor | per entry: lane eid why
-- Takes entries out of the queue that cannot be read, and keeps them among the dead letters. One that stands for a job
-- ends that job.
freeing('hero_reject', function(keys, args)
  local k, now = queue(keys[1]), now_ms()
  local b = batch(now)
  local actor = args[1]
  for i = 2, #args, 3 do
    local letter, eid, why = args[i], args[i + 1], args[i + 2]
    local key = lane(k, letter, actor)
    local entry = read_entry(key, eid)
    if redis.call('XACK', key, GROUP, eid) == 1 then
      drop(b, key, eid)
      local id = entry and get(entry, 'id') or ''
      local attempt = entry and tonumber(get(entry, 'attempt')) or 0
      local found, r = pcall(load, k, id)
      if found and r and r.at == letter .. ':' .. eid and not ended(r.status) then
        local detail = cjson.encode({ kind = 'internal', message = why })
        finish(k, b, now, id, r, 'failed', attempt, actor, '', 'error', detail, 'error', why, 'error_detail', detail)
      end
      redis.call('XADD', k.dlq, 'MAXLEN', '~', DEAD_KEPT, '*', 'id', string.sub(id, 1, 64), 'attempt', attempt, 'actor',
        actor, 'error', why, 'entry', letter .. ':' .. eid)
      redis.call('HINCRBY', k.counts, 'malformed', 1)
    end
  end
  flush(k, b)
  return 1
end)

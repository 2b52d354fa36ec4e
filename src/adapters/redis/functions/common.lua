#!lua name=hero_v1
-- One queue of one script type. Every function gets the key of its queue stream and derives the others from it; all
-- share one hash tag. Loops are bounded by their callers (at most 1000 jobs a call).

local REVISION = 6
local GROUP = 'g'
local EVENTS_KEPT = '100000'
local EVENT_TEXT = 2048        -- bytes of why a job failed that travel in its event; the record has all of it
local DEAD_KEPT = '10000'
local REPLIES_KEPT = '10000'
local INLINE_RESULT = 16384    -- bytes of a result that travels in a reply; a longer one is read from the record
local ATTEMPTS_KEPT = 10       -- past attempts that are remembered of a job
local HEAD = 8                 -- entries from which on it is worth to look whether they are the head of their stream
local WAITERS = 8              -- supervisors that can wait for one job by reply; others look at the record
local REQUEST_KEPT = 86400000  -- milliseconds for which a request id stands for its job
local TYPES = { 'osis', 'sal', 'v', 'python' }

-- What a reader of a job gets: everything but the script.
local BASIC = {
  'id', 'script_type', 'status', 'caller_id', 'context_id', 'env_vars', 'labels', 'timeout', 'retries', 'backoff',
  'queue_timeout', 'result_ttl', 'run_at', 'target_actor', 'kind', 'attempt', 'actor_id', 'created_at', 'started_at',
  'finished_at', 'due_at', 'output', 'result_kind', 'error', 'error_detail', 'cancel_reason', 'progress',
  'attempts',
}

-- A whole number as an argument. Redis formats numbers itself, with 17 digits and at ten times the cost.
local function text_of(number)
  return string.format('%.0f', number)
end

-- Redis asks before it runs a function: what writes is refused by a replica, after a failed save and without enough
-- replicas, and what says no more than that (by redis.register_function) also when the memory is full.
-- This is for functions that end, give back or remove something, or that steer, and take next to no room for it: they
-- run when the memory is full, so that a full Redis can be emptied.
local function freeing(name, callback)
  redis.register_function{ function_name = name, callback = callback, flags = { 'allow-oom' } }
end

-- This is for functions that write nothing: they always run.
local function reading(name, callback)
  redis.register_function{ function_name = name, callback = callback, flags = { 'no-writes' } }
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function queue(q)
  local base = string.sub(q, 1, -2)
  return {
    base = base, q = q, front = base .. 'front', rec = 'hero:job:' .. string.sub(base, 6), events = base .. 'events',
    jobs = base .. 'jobs', done = base .. 'done', delayed = base .. 'delayed', waits = base .. 'waits',
    dlq = base .. 'dlq', actors = base .. 'actors', rep = base .. 'rep:', req = 'hero:req:' .. string.sub(base, 6),
    log = base .. 'log:', pause = base .. 'pause', counts = base .. 'counts', news = base .. 'news', tick = base .. 'tick',
    boxes = base .. 'inboxes',
  }
end

local function inbox(k, actor)
  return k.base .. 'in:' .. actor
end

-- Where messages for the process of an actor go: drain, cancel, wake.
local function control(k, actor)
  return k.base .. 'ctl:' .. actor
end

local function tell(k, actor, ...)
  redis.call('XADD', control(k, actor), 'NOMKSTREAM', 'MAXLEN', '~', '100', '*', ...)
end

-- The stream of a lane letter.
local function lane(k, letter, actor)
  if letter == 'q' then return k.q end
  if letter == 'f' then return k.front end
  return inbox(k, actor)
end

-- The first bytes of a text, without the half of a character: what is not UTF-8 nobody can read.
local function cut(text, most)
  if #text <= most then return text end
  while most > 0 do
    local next = string.byte(text, most + 1)
    if next < 128 or next >= 192 then break end
    most = most - 1
  end
  return string.sub(text, 1, most)
end

-- What is kept of an error (JSON) beside the record: all but its last words, and no more of its message than there is room
-- for. Nil when it is none.
local function short_error(text)
  local ok, e = pcall(cjson.decode, text)
  if not ok or type(e) ~= 'table' then return nil end
  return { kind = e.kind, message = cut(tostring(e.message), EVENT_TEXT), line = e.line, column = e.column,
    exit_code = e.exit_code, signal = e.signal }
end

local function brief(word, text)
  if #text <= EVENT_TEXT then return text end
  local e = word == 'error' and short_error(text)
  return e and cjson.encode(e) or cut(text, EVENT_TEXT)
end

-- Tells those who watch. `old` is where the job was, '' for a new one. `word` and `text` say why, if anything is to be
-- said: error (JSON) or reason. The fields are the same for most events, because a stream keeps names once then.
local function add_event(k, id, state, attempt, actor, old, caller, word, text)
  if word and text ~= '' then
    redis.call('XADD', k.events, 'MAXLEN', '~', EVENTS_KEPT, '*', 'id', id, 'state', state, 'attempt', attempt,
      'actor', actor, 'old', old or '', 'caller', caller or '', word, brief(word, text))
  else
    redis.call('XADD', k.events, 'MAXLEN', '~', EVENTS_KEPT, '*', 'id', id, 'state', state, 'attempt', attempt,
      'actor', actor, 'old', old or '', 'caller', caller or '')
  end
end

-- Whoever follows a job looks at it when its id is published; a hint that may come for nothing, or be lost. A caller
-- without the right to publish must not have the function break off half-way.
local function notify(k, id)
  redis.pcall('PUBLISH', k.news, id)
end

-- Remembers an attempt that is not the last one, once. `left` is the state that it left the job in; `detail` the error
-- as JSON, '' for none.
local function remember(k, id, now, attempt, actor, started, left, detail)
  local all = redis.call('HGET', k.rec .. id, 'attempts')
  local list = all and cjson.decode(all) or {}
  -- A job that was cancelled between two attempts: its last one is there already.
  if #list > 0 and list[#list].n == tonumber(attempt) then return end
  local past = { n = tonumber(attempt), actor = actor, started = tonumber(started), ended = now, left = left }
  if detail ~= '' then past.error = short_error(detail) end
  list[#list + 1] = past
  while #list > ATTEMPTS_KEPT do table.remove(list, 1) end
  redis.call('HSET', k.rec .. id, 'attempts', cjson.encode(list))
end

-- The record of a job as every function needs it; nil when there is none. Each field costs a search through the
-- record, so what only some need is read by `load_more`.
local function load(k, id)
  local r = redis.call('HMGET', k.rec .. id, 'at', 'status', 'rep', 'result_ttl', 'wait_until', 'kind', 'caller_id',
    'progress')
  if not r[2] then return nil end
  return {
    at = r[1], status = r[2], rep = r[3], ttl = r[4] or '86400000', waits = r[5], ping = r[6] == 'ping',
    caller = r[7] or '', progress = r[8],
  }
end

local function load_more(k, id, r)
  local more = redis.call('HMGET', k.rec .. id, 'retries', 'target_actor', 'started_at', 'attempt')
  r.max, r.target, r.started = (tonumber(more[1]) or 0) + 1, more[2], more[3]
  r.attempt = tonumber(more[4]) or 0
  return r
end

local function ended(status)
  return status == 'succeeded' or status == 'failed' or status == 'cancelled'
end

-- Basic fields as a flat list of names and values; nil when there is no such job.
local function basic(k, id)
  local values = redis.call('HMGET', k.rec .. id, unpack(BASIC))
  if not values[1] then return nil end
  local flat, n = {}, 0
  for i = 1, #BASIC do
    if values[i] then
      flat[n + 1], flat[n + 2] = BASIC[i], values[i]
      n = n + 2
    end
  end
  return flat
end

local function get(flat, name)
  for i = 1, #flat, 2 do
    if flat[i] == name then return flat[i + 1] end
  end
  return nil
end

-- The least id above this one.
local function next_id(id)
  local millis, sequence = string.match(id, '^(%d+)-(%d+)$')
  return millis .. '-' .. text_of(sequence + 1)
end

-- What is written once a call, not once a job.
local function batch(now)
  return { del = {}, done = {}, replies = {}, text = text_of(now), forgotten = {} }
end

-- When a record with this time to live goes; most jobs of a call have the same.
local function forgotten_at(b, now, ttl)
  local at = b.forgotten[ttl]
  if not at then
    at = text_of(now + tonumber(ttl))
    b.forgotten[ttl] = at
  end
  return at
end

local function drop(b, key, eid)
  local list = b.del[key]
  if list then list[#list + 1] = eid else b.del[key] = { eid } end
end

-- Removes entries of a stream. To delete one by its id is to walk through its node of the stream; to cut off the head
-- is to walk once. The head is what was delivered and is pending no more: if the numbers say that all of that is in
-- this list, it is cut off. What is left, behind a pending one, is deleted by its id.
local function remove(key, list)
  if #list >= HEAD then
    local groups = redis.pcall('XINFO', 'GROUPS', key)
    for _, group in ipairs(groups.err and {} or groups) do
      local lag = get(group, 'lag')
      if get(group, 'name') == GROUP and lag and redis.call('XLEN', key) - lag == get(group, 'pending') + #list then
        local first = redis.call('XPENDING', key, GROUP)[2] or next_id(get(group, 'last-delivered-id'))
        if redis.call('XTRIM', key, 'MINID', first) == #list then return end
      end
    end
  end
  redis.call('XDEL', key, unpack(list))
end

local function flush(k, b)
  for key, list in pairs(b.del) do remove(key, list) end
  if #b.done > 0 then
    redis.call('ZADD', k.done, unpack(b.done))
    redis.call('HINCRBY', k.counts, 'finished', #b.done / 2)
  end
  for instance, list in pairs(b.replies) do
    redis.call('XADD', k.rep .. instance, 'NOMKSTREAM', 'MAXLEN', '~', REPLIES_KEPT, '*', unpack(list))
  end
end

-- The terminal write. `word` says what `body` is: none, text or json (a result), error (JSON), reason (of a cancel).
-- The rest are more fields of the record.
local function finish(k, b, now, id, r, state, attempt, actor, started, word, body, ...)
  local rec, at = k.rec .. id, b.text
  redis.call('HSET', rec, 'status', state, 'attempt', attempt, 'actor_id', actor, 'started_at', started, 'finished_at', at,
    'updated_at', at, ...)
  redis.call('PEXPIRE', rec, r.ttl)
  if not r.ping then
    local done = b.done
    local n = #done
    done[n + 1] = forgotten_at(b, now, r.ttl)
    done[n + 2] = id
    if word == 'error' or word == 'reason' then
      add_event(k, id, state, attempt, actor, r.status, r.caller, word, body)
    else
      add_event(k, id, state, attempt, actor, r.status, r.caller)
    end
  end
  if r.waits then redis.call('ZREM', k.waits, id) end
  if r.rep and r.rep ~= '' then
    -- What a reply has no room for is read from the record: long results, past attempts, how far the script was. A job
    -- that ends while it waits, after an attempt, has one past attempt at least.
    local number = tonumber(attempt) or 0
    if #body > INLINE_RESULT or r.progress or number > 1 or (number > 0 and r.status ~= 'running') then
      word, body = 'see', ''
    end
    -- Not string.format: it ends a text at its first NUL.
    local value = state .. ' ' .. attempt .. ' ' .. (started == '' and '-' or started) .. ' ' .. now .. ' '
      .. (actor == '' and '-' or actor) .. ' ' .. word .. '\n' .. body
    for instance in string.gmatch(r.rep, '%S+') do
      local list = b.replies[instance]
      if not list then
        list = {}
        b.replies[instance] = list
      end
      list[#list + 1] = id
      list[#list + 1] = value
    end
  end
end

local function bury(k, id, attempt, actor, message)
  redis.call('XADD', k.dlq, 'MAXLEN', '~', DEAD_KEPT, '*', 'id', id, 'attempt', attempt, 'actor', actor, 'error', message)
end

-- Sets one field of a flat list.
local function set(flat, name, value)
  for i = 1, #flat, 2 do
    if flat[i] == name then
      flat[i + 1] = value
      return
    end
  end
  flat[#flat + 1] = name
  flat[#flat + 1] = value
end

local function read_entry(key, eid)
  local found = redis.call('XRANGE', key, eid, eid)[1]
  return found and found[2]
end

-- Adds a job that had the entry `old` at `eid` once more, in front or in its inbox. The field `order` keeps where it
-- stood at first, so that jobs which are given back can be put in order again.
local function add_again(k, letter, key, eid, id, old, attempt)
  local entry = old or { 'id', id }
  set(entry, 'attempt', attempt)
  if not get(entry, 'order') then set(entry, 'order', eid) end
  if letter == 'i' then return 'i:' .. redis.call('XADD', key, '*', unpack(entry)) end
  return 'f:' .. redis.call('XADD', k.front, '*', unpack(entry))
end

local function lost_error(message)
  return cjson.encode({ kind = 'actor_lost', message = message })
end

-- Takes one pending entry from an actor that is gone. Answers 'retried', 'failed' or nil.
local function take_back(k, b, now, key, letter, eid, consumer, message, detail)
  local entry = read_entry(key, eid)
  if redis.call('XACK', key, GROUP, eid) == 0 then return nil end
  drop(b, key, eid)
  local id = entry and get(entry, 'id')
  local r = id and load(k, id)
  if not r or ended(r.status) or r.at ~= letter .. ':' .. eid then return nil end
  load_more(k, id, r)
  local actor = string.match(consumer, '^[^.]*')
  local attempt = tonumber(get(entry, 'attempt')) or 1
  local started = r.status == 'running' and r.started or ''
  if attempt < r.max then
    local at = add_again(k, letter, key, eid, id, entry, attempt + 1)
    redis.call('HSET', k.rec .. id, 'status', 'queued', 'at', at, 'attempt', attempt, 'actor_id', actor, 'updated_at', now)
    if not r.ping then
      remember(k, id, now, attempt, actor, started, 'queued', detail)
      add_event(k, id, 'queued', attempt, actor, r.status, r.caller, 'error', detail)
      notify(k, id)
    end
    return 'retried'
  end
  finish(k, b, now, id, r, 'failed', attempt, actor, started, 'error', detail, 'error', message, 'error_detail', detail)
  if not r.ping then bury(k, id, attempt, actor, message) end
  return 'failed'
end

-- What an error says that `pcall` has caught; those of Redis are tables.
local function words_of(problem)
  return type(problem) == 'table' and tostring(problem.err) or tostring(problem)
end

-- Pending entries, or none when the stream or its group is not there.
local function pending(key, ...)
  local found = redis.pcall('XPENDING', key, GROUP, ...)
  if found.err then return {} end
  return found
end

-- Who holds an entry; nil when nobody does.
local function holder(key, eid)
  local found = pending(key, eid, eid, 1)
  return found[1] and found[1][2]
end

local function last_delivered(key)
  local groups = redis.pcall('XINFO', 'GROUPS', key)
  if groups.err then return nil end
  for _, group in ipairs(groups) do
    if get(group, 'name') == GROUP then return get(group, 'last-delivered-id') end
  end
  return nil
end

local function actor_ids(k)
  return redis.call('HKEYS', k.actors)
end

-- Adds a job that is for one actor only. Whose inbox may hold jobs is noted, because the actor need not be there.
local function add_pinned(k, actor, ...)
  redis.call('SADD', k.boxes, actor)
  return redis.call('XADD', inbox(k, actor), '*', ...)
end

-- Actors that are not there and whose inbox may hold jobs.
local function absent_actors(k)
  local absent = {}
  for _, actor in ipairs(redis.call('SMEMBERS', k.boxes)) do
    if redis.call('HEXISTS', k.actors, actor) == 0 then absent[#absent + 1] = actor end
  end
  return absent
end

reading('hero_revision', function() return REVISION end)

-- hero_probe key: changes nothing, and is refused whenever a new job would be.
redis.register_function('hero_probe', function(keys) return redis.call('DEL', keys[1]) end)

-- hero_epoch key | fresh: what marks these data as these, written once.
freeing('hero_epoch', function(keys, args)
  redis.call('SET', keys[1], args[1], 'NX')
  return redis.call('GET', keys[1])
end)

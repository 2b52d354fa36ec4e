-- Records of jobs, and what is written with each change: events, past attempts, replies, dead letters.

local unique = {} -- filled in unique.lua

-- Opens a call: the keys of its queue, its time, and lists of what is written once a call instead of once a job.
local function open_batch(stream)
  local now = now_ms()
  return {
    queue = queue_of(stream), now = now, now_text = text_of(now),
    removed = {},   -- stream to entry ids
    ended = {},     -- scores and ids for the index of ended jobs
    ended_ids = {}, -- the same ids, for the index of unfinished jobs
    replies = {},   -- supervisor to ids and replies
    counts = {},    -- field of the queue's counts to what is added
    expiries = {},  -- time to live to the time at which such a record expires; most jobs of a call have the same
  }
end

local function remove_later(batch, stream, entry)
  local entries = batch.removed[stream]
  if entries then entries[#entries + 1] = entry else batch.removed[stream] = { entry } end
end

local function expiry_of(batch, ttl)
  local at = batch.expiries[ttl]
  if not at then
    at = text_of(batch.now + tonumber(ttl))
    batch.expiries[ttl] = at
  end
  return at
end

-- Writes what the batch has gathered.
local function close_batch(batch)
  local queue = batch.queue
  for stream, entries in pairs(batch.removed) do remove_entries(stream, entries) end
  if #batch.ended > 0 then
    redis.call('ZADD', queue.ended, unpack(batch.ended))
    -- Actors that may not touch this key end their jobs all the same: readers pass over what has ended.
    redis.pcall('ZREM', queue.unfinished, unpack(batch.ended_ids))
    redis.call('HINCRBY', queue.counts, 'finished', #batch.ended_ids)
  end
  for field, count in pairs(batch.counts) do redis.call('HINCRBY', queue.counts, field, count) end
  for instance, replies in pairs(batch.replies) do
    redis.call('XADD', queue.replies .. instance, 'NOMKSTREAM', 'MAXLEN', '~', REPLIES_KEPT, '*', unpack(replies))
  end
  backlog.settle(queue, #batch.ended_ids)
end

local function has_ended(status)
  return TERMINAL_STATES[status] == true
end

-- The fields of a record that most functions need; nil when there is no such job. Each field costs a search through the
-- record, so those that only some functions need are read by `load_attempts`.
local function load_job(queue, id)
  local key = queue.record .. id
  local values = redis.call('HMGET', key, 'at', 'status', 'rep', 'result_ttl', 'wait_until', 'kind', 'caller_id',
    'progress', 'submitted_by', 'log_bytes', 'unique', 'flow_key')
  if not values[2] then return nil end
  return {
    id = id, key = key, place = values[1], status = values[2], waiters = values[3], ttl = values[4] or '86400000',
    deadline = values[5], is_ping = values[6] == 'ping', caller = values[7] or '', progress = values[8],
    by = values[9], log_bytes = values[10], unique = values[11], flow = values[12],
  }
end

-- Adds the fields about attempts and answers with the same job.
local function load_attempts(job)
  local values = redis.call('HMGET', job.key, 'retries', 'target_actor', 'started_at', 'attempt')
  job.max_attempts, job.target, job.started = (tonumber(values[1]) or 0) + 1, values[2], values[3]
  job.attempt = tonumber(values[4]) or 0
  return job
end

-- True if the job is at this place and has not ended.
local function is_current(job, place)
  return job.place == place and not has_ended(job.status)
end

-- The basic fields as a flat list of names and values; nil when there is no such job.
local function basic_fields(queue, id)
  local values = redis.call('HMGET', queue.record .. id, unpack(BASIC))
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

-- An error (JSON) without its log lines and with a message of limited length; nil when the text is no error.
local function short_error(text)
  local decoded = decode_table(text)
  if not decoded then return nil end
  return { kind = decoded.kind, message = truncate(tostring(decoded.message), EVENT_TEXT), line = decoded.line,
    column = decoded.column, exit_code = decoded.exit_code, signal = decoded.signal }
end

local function event_text(word, text)
  if #text <= EVENT_TEXT then return text end
  local short = word == 'error' and short_error(text)
  return short and cjson.encode(short) or truncate(text, EVENT_TEXT)
end

-- A job without an attempt, and changes to states that need no reason.
local NO_ATTEMPT = { number = '0', actor = '', started = '' }
local QUEUED = { state = 'queued' }
local RUNNING = { state = 'running' }
local SCHEDULED = { state = 'scheduled' }
local BLOCKED = { state = 'blocked' }

-- Appends an event about a job that was in the state `job.status` (nil for a new job). `attempt` has number and actor; `change`
-- has the state, and perhaps word and body: an error or a reason goes into the event. Events have the same fields wherever
-- possible, because a stream then stores the names once.
local function emit_job_event(queue, job, attempt, change)
  local word, body = change.word, change.body
  if (word == 'error' or word == 'reason' or word == 'priority') and body ~= '' then
    redis.call('XADD', queue.events, 'MAXLEN', '~', EVENTS_KEPT, '*', 'id', job.id, 'state', change.state, 'attempt',
      attempt.number, 'actor', attempt.actor, 'old', job.status or '', 'caller', job.caller, word, event_text(word, body))
  else
    redis.call('XADD', queue.events, 'MAXLEN', '~', EVENTS_KEPT, '*', 'id', job.id, 'state', change.state, 'attempt',
      attempt.number, 'actor', attempt.actor, 'old', job.status or '', 'caller', job.caller)
  end
end

-- Publishes the id of a changed job for those who follow it. It is a hint that may come in vain or be lost; a caller without
-- the right to publish must not make the function break off half-way.
local function publish_change(queue, id)
  redis.pcall('PUBLISH', queue.changes, id)
end

-- Emits and publishes a change of a job that goes on. Nobody is told about pings.
local function announce_change(queue, job, attempt, change)
  if job.is_ping then return end
  quotas.note(queue, job, change.state)
  emit_job_event(queue, job, attempt, change)
  publish_change(queue, job.id)
end

-- Adds an attempt that is not the last one to the record, once. `attempt` has number, actor, started and perhaps usage; `left` is the state
-- in which it left the job, `detail` the error as JSON ('' for none).
local function remember_attempt(job, attempt, ended, left, detail)
  local all = redis.call('HGET', job.key, 'attempts')
  local list = all and decode_table(all) or {}
  local last = list[#list]
  -- The last attempt of a job that was cancelled between two attempts is there already.
  if type(last) == 'table' and last.n == tonumber(attempt.number) then return end
  local past = {
    n = tonumber(attempt.number), actor = attempt.actor, started = tonumber(attempt.started), ended = ended, left = left,
  }
  if detail ~= '' then past.error = short_error(detail) end
  past.usage = attempt.usage or nil
  list[#list + 1] = past
  while #list > ATTEMPTS_KEPT do table.remove(list, 1) end
  redis.call('HSET', job.key, 'attempts', cjson.encode(list))
end

-- The three kinds of outcomes. `word` says what `body` is: none, text or json (a result), error (JSON), reason (of a cancel).
-- The list part has the names and values that go into the record.
local function succeeded(text, kind)
  return { state = 'succeeded', word = kind, body = text, 'output', text, 'result_kind', kind }
end

local function failed(message, detail)
  return { state = 'failed', word = 'error', body = detail, 'error', message, 'error_detail', detail }
end

local function cancelled(reason)
  return { state = 'cancelled', word = 'reason', body = reason, 'cancel_reason', reason }
end

-- A failed outcome with an error of this kind.
local function failed_with(kind, message)
  return failed(message, cjson.encode({ kind = kind, message = message }))
end

-- The reply about an ended job: `state attempt started finished actor word`, perhaps a space and the usage, a line feed, and the
-- body.
local function reply_of(batch, job, attempt, outcome)
  local word, body = outcome.word, outcome.body
  -- A long result, past attempts and progress are read from the record. A job that ends while it waits, after an attempt,
  -- has one past attempt at least.
  local number = tonumber(attempt.number) or 0
  if #body > INLINE_RESULT or job.progress or number > 1 or (number > 0 and job.status ~= 'running') then
    word, body = 'see', ''
  end
  -- Not string.format: it ends a text at its first NUL.
  return outcome.state .. ' ' .. attempt.number .. ' ' .. (attempt.started == '' and '-' or attempt.started) .. ' '
    .. batch.now_text .. ' ' .. (attempt.actor == '' and '-' or attempt.actor) .. ' ' .. word
    .. (attempt.usage and ' ' .. attempt.usage or '') .. '\n' .. body
end

local function reply_to_waiters(batch, job, attempt, outcome)
  if not job.waiters or job.waiters == '' then return end
  local reply = reply_of(batch, job, attempt, outcome)
  for instance in string.gmatch(job.waiters, '%S+') do
    local replies = batch.replies[instance]
    if not replies then
      replies = {}
      batch.replies[instance] = replies
    end
    replies[#replies + 1] = job.id
    replies[#replies + 1] = reply
  end
end

-- Counts an ended job by its state, and a failed one by the kind of its error, by which it can be found.
local function count_end(batch, job, outcome)
  local field = 'ended:' .. outcome.state
  if outcome.state == 'failed' then
    local kind = marks.kind_of(outcome.body)
    field = field .. ':' .. kind
    marks.add_error(batch.queue, job.id, redis.call('HGET', job.key, 'created_at') or batch.now_text, kind)
  end
  batch.counts[field] = (batch.counts[field] or 0) + 1
end

-- Writes the terminal state of a job. `attempt` is the last one: number, actor, started ('' where there is none), and perhaps
-- usage, and its output with the bytes of that.
local function finish_job(batch, job, attempt, outcome)
  local queue, at = batch.queue, batch.now_text
  if attempt.usage then outcome[#outcome + 1], outcome[#outcome + 2] = 'usage', attempt.usage end
  if attempt.log then
    local n = #outcome
    outcome[n + 1], outcome[n + 2], outcome[n + 3], outcome[n + 4] = 'log', attempt.log, 'log_bytes', attempt.log_bytes
  end
  redis.call('HSET', job.key, 'status', outcome.state, 'attempt', attempt.number, 'actor_id', attempt.actor, 'started_at',
    attempt.started, 'finished_at', at, 'updated_at', at, unpack(outcome))
  redis.call('PEXPIRE', job.key, job.ttl)
  quotas.note(queue, job, outcome.state)
  if not job.is_ping then
    local ended, ids = batch.ended, batch.ended_ids
    local n = #ended
    ended[n + 1], ended[n + 2], ids[#ids + 1] = expiry_of(batch, job.ttl), job.id, job.id
    emit_job_event(queue, job, attempt, outcome)
    count_end(batch, job, outcome)
  end
  if job.deadline then redis.call('ZREM', queue.deadlines, job.id) end
  reply_to_waiters(batch, job, attempt, outcome)
  if has_flow then flow.ended(batch, job) end
  if job.unique then unique.ended(batch, job, outcome.state) end
end

-- Keeps a job that failed for good among the dead letters. Pings are not kept.
local function add_dead_letter(queue, job, attempt, message)
  if job.is_ping then return end
  redis.call('XADD', queue.dead_letters, 'MAXLEN', '~', DEAD_LETTERS_KEPT, '*', 'id', job.id, 'attempt', attempt.number,
    'actor', attempt.actor, 'error', message)
end

-- Queues a job again, at the front before all that have not begun, or in its inbox, and answers with its place. `fields` are those of
-- its old entry, nil when that is gone. The field `order` keeps the first entry id, so that released jobs can be put in order again.
local function requeue(queue, job, lease, fields, number)
  if has_flow and lease.letter ~= 'i' and not job.is_ping then
    local key = flow.key_of(job)
    flow.free(queue, key, job.id, true)
    return backlog.add(queue, job.id, flow.rank_of_begun(), key)
  end
  local entry = fields or { 'id', lease.id }
  set_field(entry, 'attempt', number)
  if not get_field(entry, 'order') then set_field(entry, 'order', lease.entry) end
  if lease.letter == 'i' then return 'i:' .. redis.call('XADD', lease.stream, '*', unpack(entry)) end
  remove_field(entry, 'rank')
  set_field(entry, 'begun', '1')
  backlog.clear_window(queue)
  return 'f:' .. redis.call('XADD', queue.front, '*', unpack(entry))
end

-- Takes a job that no actor has out of the place in which it waits, now or at the end of the batch. An actor that has it no longer
-- may end it.
local function remove_waiting(batch, job)
  local queue = batch.queue
  local letter, entry = split_place(job.place)
  if letter == 'b' then return backlog.remove(queue, job.id, entry, flow.key_of(job)) end
  local stream = lane_stream(queue, letter, job.target or '')
  redis.call('XACK', stream, GROUP, entry)
  remove_later(batch, stream, entry)
end

-- The consumer that holds a job that is queued or running; nil when no consumer does.
local function holder_of_job(queue, job)
  local letter, entry = split_place(job.place)
  if letter == 'b' then return nil end
  return holder_of(lane_stream(queue, letter, job.target or ''), entry)
end

-- Limits the wait of a job for its first attempt.
local function set_deadline(queue, id, now, queue_timeout)
  local deadline = now + queue_timeout
  redis.call('ZADD', queue.deadlines, deadline, id)
  return deadline
end

-- The entry of a delayed job.
local function entry_of(job)
  local entry = { 'attempt', job.attempt + 1, 'id', job.id }
  if job.is_ping then set_field(entry, 'kind', 'ping') end
  return entry
end

-- Adds the entry of a delayed job that any actor may take to the front (after an attempt), the backlog or the queue; answers with its
-- place.
local function enqueue_for_all(queue, job)
  local entry = entry_of(job)
  if has_flow and not job.is_ping then
    if job.status ~= 'retry_wait' then return backlog.add_new(queue, job.id, job.shift, flow.key_of(job)) end
    return backlog.add(queue, job.id, flow.rank_of_begun(), flow.key_of(job))
  end
  if job.status == 'retry_wait' then
    backlog.clear_window(queue)
    return 'f:' .. redis.call('XADD', queue.front, '*', 'begun', '1', unpack(entry))
  end
  if (has_backlog or job.shift) and not job.is_ping then return backlog.add_new(queue, job.id, job.shift) end
  return 'q:' .. redis.call('XADD', queue.stream, '*', unpack(entry))
end

-- The same for any delayed job; one for one actor only goes into its inbox.
local function enqueue_due(queue, job, target)
  if not target then return enqueue_for_all(queue, job) end
  return 'i:' .. add_pinned(queue, target, unpack(entry_of(job)))
end

-- Makes a job that was blocked wait for its time.
local function schedule_job(batch, job, run_at)
  local queue = batch.queue
  redis.call('ZADD', queue.delayed, run_at, job.id)
  redis.call('HSET', queue.record .. job.id, 'status', 'scheduled', 'due_at', run_at, 'updated_at', batch.now_text)
  announce_change(queue, job, NO_ATTEMPT, SCHEDULED)
end

-- Queues one delayed job whose time has come, by a function that adds its entry. One that waited for another job may have to wait for its
-- time now.
local function promote(batch, id, add_entry)
  local queue, key = batch.queue, batch.queue.record .. id
  redis.call('ZREM', queue.delayed, id)
  local values = redis.call('HMGET', key, 'status', 'target_actor', 'attempt', 'kind', 'queue_timeout', 'actor_id', 'caller_id',
    'rank_shift', 'unique', 'blocked_by', 'run_at', 'flow_key')
  local job = {
    id = id, status = values[1], attempt = tonumber(values[3]) or 0, is_ping = values[4] == 'ping', caller = values[7] or '',
    shift = values[8], flow = values[12],
  }
  if not DELAYED_STATES[job.status] then return end
  if job.status == 'blocked' then
    unique.unblock(queue, id, values[9], values[10])
    if (tonumber(values[11]) or 0) > batch.now then return schedule_job(batch, job, values[11]) end
  end
  local place = add_entry(queue, job, values[2])
  redis.call('HSET', key, 'status', 'queued', 'at', place, 'updated_at', batch.now_text)
  redis.call('HDEL', key, 'due_at')
  if job.status ~= 'retry_wait' and job.attempt == 0 and values[5] then
    redis.call('HSET', key, 'wait_until', set_deadline(queue, id, batch.now, tonumber(values[5])))
  end
  announce_change(queue, job, { number = job.attempt, actor = values[6] or '' }, QUEUED)
end

local function promote_job(batch, id)
  promote(batch, id, enqueue_due)
end

-- The same for a job that any actor may take. Actors may call it: it touches no inbox.
local function promote_for_all(batch, id)
  promote(batch, id, enqueue_for_all)
end

-- What actors do with the jobs that they hold: start, output, finish, release, reject. A lease is an entry that is pending
-- for the actor; a function that is given a void one does nothing.

-- What an actor writes is kept to the limits of docs/actor-protocol.md, whatever its language: one answer must hold a job.
local RESULT_BYTES = 1048576   -- bytes of a result
local ERROR_BYTES = 524288     -- bytes of an error as JSON; a longer one keeps no log lines and the begin of its message
local USAGE_BYTES = 32         -- bytes of what an attempt has used
local FREE_ATTEMPTS = 10       -- how often one job may come back without its attempt being counted
local REORDERED = 500          -- entries at the front that a release puts in order

-- Keeps output of one job; true if the lease stands.
local function log_output(queue, now, lease, output)
  local job = load_job(queue, lease.id)
  if not job or not is_current(job, lease.place) or not holder_of(lease.stream, lease.entry) then return false end
  if not job.is_ping then
    keep_output(queue, job, now, output.attempt, output)
    publish_change(queue, job.id)
  end
  return true
end

-- hero_log q | actor, per job: lane entry id attempt count, and count times: number at_ms kind text
-- Answers with 1 or 0 a job; 0: the lease is void and nothing was kept.
freeing('hero_log', function(keys, args)
  local queue, now, actor, answers = queue_of(keys[1]), now_ms(), args[1], {}
  local i = 2
  while i <= #args do
    local lease, output = parse_lease(queue, actor, args, i), nil
    output, i = parse_output(args, i)
    local ok, is_held = pcall(log_output, queue, now, lease, output)
    if not ok then note_damage(queue, is_held) end
    answers[#answers + 1] = ok and is_held and 1 or 0
  end
  return answers
end)

-- Reads the start of one attempt into a table that serves as attempt and job.
local function parse_start(start, args, i)
  start.letter, start.entry, start.id, start.number, start.started = args[i], args[i + 1], args[i + 2], args[i + 3], args[i + 4]
end

-- Makes a held job RUNNING; true if the lease stands.
local function start_attempt(queue, now, start)
  local key = queue.record .. start.id
  local values = redis.call('HMGET', key, 'at', 'status', 'kind', 'caller_id', 'submitted_by', 'flow_key')
  local status = values[2]
  if not status then discard_entry(lane_stream(queue, start.letter, start.actor), start.entry) end
  if values[1] ~= start.letter .. ':' .. start.entry then return false end
  if status == 'queued' then
    redis.call('HSET', key, 'status', 'running', 'attempt', start.number, 'actor_id', start.actor, 'started_at',
      start.started, 'updated_at', now)
    start.status, start.is_ping, start.caller, start.by = status, values[3] == 'ping', values[4] or '', values[5]
    if has_flow then flow.begin(queue, values[6] or start.caller, start.id) end
    announce_change(queue, start, start, RUNNING)
    return true
  end
  return status == 'running'
end

-- hero_start q | actor, per job: lane entry id attempt started_ms
-- Answers with 1 or 0 a job; 0: the lease is void.
freeing('hero_start', function(keys, args)
  local queue, now, answers = queue_of(keys[1]), text_of(now_ms()), {}
  local start = { actor = args[1] } -- one table for all: nothing keeps it
  for i = 2, #args, 5 do
    parse_start(start, args, i)
    local ok, stands = pcall(start_attempt, queue, now, start)
    if not ok then note_damage(queue, stands) end
    answers[#answers + 1] = ok and stands and 1 or 0
  end
  backlog.settle(queue, #answers)
  return answers
end)

-- What an attempt has used: microseconds of processor time, and perhaps a space and KiB of memory. Nil for another text.
local function known_usage(text)
  return text and #text <= USAGE_BYTES and string.find(text, '^%d+ ?%d*$') and text or nil
end

-- Reads the end of one attempt, with the output in front of it if there is any, into a table that serves as lease and attempt;
-- answers with the index behind it.
local function parse_end(queue, finish, args, i)
  finish.output, finish.log, finish.log_bytes = nil, nil, nil
  if args[i] == 'log' then finish.output, i = parse_output(args, i + 1) end
  local letter, entry = args[i], args[i + 1]
  finish.letter, finish.entry, finish.id = letter, entry, args[i + 2]
  finish.place, finish.stream = letter .. ':' .. entry, lane_stream(queue, letter, finish.actor)
  finish.number, finish.started, finish.verdict = args[i + 3], args[i + 4], args[i + 5]
  finish.text, finish.detail, finish.delay = args[i + 6], args[i + 7], args[i + 8]
  if not finish.has_usage then return i + 9 end
  finish.usage = known_usage(args[i + 9])
  return i + 10
end

-- Queues a job again after a failed attempt, or makes it wait for its delay. A free attempt does not count.
local function retry_attempt(batch, job, finish, is_free)
  local queue, actor, now = batch.queue, finish.actor, batch.now_text
  local number, delay, state = tonumber(finish.number), tonumber(finish.delay), 'queued'
  local used = is_free and number - 1 or number
  if finish.log then redis.call('HSET', job.key, 'log', finish.log, 'log_bytes', finish.log_bytes) end
  if delay > 0 then
    local due = text_of(batch.now + delay)
    state = 'retry_wait'
    redis.call('HSET', job.key, 'status', state, 'attempt', used, 'actor_id', actor, 'due_at', due, 'error',
      finish.text, 'error_detail', finish.detail, 'updated_at', now)
    redis.call('ZADD', queue.delayed, due, job.id)
    if has_flow then flow.free(queue, flow.key_of(job), job.id, true) end
  else
    local place = requeue(queue, job, finish, read_entry(finish.stream, finish.entry), used + 1)
    redis.call('HSET', job.key, 'status', state, 'at', place, 'attempt', used, 'actor_id', actor, 'updated_at', now)
  end
  if not is_free and not job.is_ping then remember_attempt(job, finish, batch.now, state, finish.detail) end
  announce_change(queue, job, { number = used, actor = actor }, { state = state, word = 'error', body = finish.detail })
end

-- Ends a failed attempt: the job is tried again or fails.
local function fail_attempt(batch, job, finish)
  load_attempts(job)
  local verdict = finish.verdict
  local is_free = verdict == 'free' and redis.call('HINCRBY', job.key, 'free', 1) <= FREE_ATTEMPTS
  local may_retry = (verdict == 'retry' or verdict == 'free') and tonumber(finish.number) < job.max_attempts
  if is_free or may_retry then return retry_attempt(batch, job, finish, is_free) end
  finish_job(batch, job, finish, failed(finish.text, finish.detail))
  if job.max_attempts > 1 then add_dead_letter(batch.queue, job, finish, finish.text) end
end

-- Makes an end of it that one answer can hold.
local function bound_end(finish)
  if finish.verdict ~= 'ok' then
    finish.text = truncate(finish.text, LINE_BYTES)
    if #finish.detail > ERROR_BYTES then
      local short = short_error(finish.detail) or { kind = 'script_error', message = truncate(finish.text, EVENT_TEXT) }
      finish.detail = cjson.encode(short)
    end
  elseif #finish.text > RESULT_BYTES then
    local message = 'the result has ' .. text_of(#finish.text) .. ' bytes, more than the ' .. text_of(RESULT_BYTES)
      .. ' that are allowed'
    finish.verdict, finish.text, finish.delay = 'error', message, '0'
    finish.detail = cjson.encode({ kind = 'limit_exceeded', message = message })
  end
end

-- Ends one attempt; answers with 1, or with 0 when its lease is void.
local function end_attempt(batch, finish)
  local queue, stream, entry = batch.queue, finish.stream, finish.entry
  local job = load_job(queue, finish.id)
  if not job then
    discard_entry(stream, entry)
    return 0
  end
  if not is_current(job, finish.place) or redis.call('XACK', stream, GROUP, entry) ~= 1 then
    if has_flow then flow.let_go(queue, job) end
    if job.unique then unique.let_go(batch, job, finish.place) end
    return 0
  end
  remove_later(batch, stream, entry)
  local ended_at_once = job.status ~= 'running'
  if ended_at_once and not job.is_ping then emit_job_event(queue, job, finish, RUNNING) end
  job.status = 'running'
  if finish.output and not job.is_ping then
    -- Its output may be damaged; without an end the job would be nobody's.
    local ok, problem = pcall(keep_last_output, batch, job, finish, ended_at_once)
    if not ok then note_damage(queue, problem) end
  end
  bound_end(finish)
  if finish.verdict == 'ok' then
    finish_job(batch, job, finish, succeeded(finish.text, finish.detail))
  else
    fail_attempt(batch, job, finish)
  end
  return 1
end

-- Ends attempts; `has_usage` says that what each has used follows it.
local function end_attempts(keys, args, has_usage)
  local batch, answers, i = open_batch(keys[1]), {}, 2
  local finish = { actor = args[1], has_usage = has_usage } -- one table for all: nothing keeps it
  while i <= #args do
    -- An end that cannot be read is answered like one that cannot be written, and nothing behind it can be read either.
    local read, next_end = pcall(parse_end, batch.queue, finish, args, i)
    local ok, answer = false, next_end
    if read then ok, answer = pcall(end_attempt, batch, finish) end
    i = read and next_end or #args + 1
    answers[#answers + 1] = ok and answer or error_text(answer)
  end
  close_batch(batch)
  return answers
end

-- hero_finish q | actor, per end: lane entry id attempt started_ms verdict a b delay_ms
--   verdict ok: a = text, b = none, text or json; error: a = message, b = JSON, not to be tried again;
--   retry: as error, tried again while attempts are left; free: as retry, and the attempt does not count
--   In front of an end perhaps: log, and one job of hero_log, the last output of the same job
-- Answers with 1, 0 or a text an end; 0: the lease was void and nothing was written; a text: why this end could not be
-- written, while the others were.
freeing('hero_finish', function(keys, args) return end_attempts(keys, args, false) end)

-- hero_end q | actor, per end: as in hero_finish, and usage
--   usage: microseconds of processor time, perhaps a space and KiB of memory; '' if it is not known
-- Answers as hero_finish does.
freeing('hero_end', function(keys, args) return end_attempts(keys, args, true) end)

-- Notes in each entry where it stood at first.
local function with_order(entry)
  entry.millis, entry.sequence = parse_entry_id(get_field(entry.fields, 'order') or entry.id)
  return entry
end

local function stands_before(a, b)
  if a.millis ~= b.millis then return a.millis < b.millis end
  return a.sequence < b.sequence
end

-- The entries that wait in a stream and stood behind the first released one; nil when there are too many to put in order.
local function waiting_behind(stream, first)
  local behind, after = {}, last_delivered(stream)
  if not after then return behind end
  local waiting = redis.call('XRANGE', stream, '(' .. after, '+', 'COUNT', REORDERED)
  if #waiting >= REORDERED then return behind end
  for _, found in ipairs(waiting) do
    local entry = with_order({ id = found[1], fields = found[2], waits = true })
    if stands_before(first, entry) then behind[#behind + 1] = entry end
  end
  return behind
end

-- Puts released entries at the head of a stream: what waits there and stood behind them at first is added again behind them.
local function put_back(queue, letter, stream, released)
  if #released == 0 then return end
  for _, entry in ipairs(released) do with_order(entry) end
  table.sort(released, stands_before)
  for _, entry in ipairs(waiting_behind(stream, released[1])) do released[#released + 1] = entry end
  table.sort(released, stands_before)
  for _, entry in ipairs(released) do
    local id = get_field(entry.fields, 'id')
    if not get_field(entry.fields, 'order') then set_field(entry.fields, 'order', entry.id) end
    local added = redis.call('XADD', stream, '*', unpack(entry.fields))
    if entry.waits then redis.call('XDEL', stream, entry.id) end
    if id then redis.call('HSET', queue.record .. id, 'at', letter .. ':' .. added) end
  end
end

-- Takes one job from its actor as if it had not been taken; answers with its entry, nil when the lease is void.
local function release_job(batch, lease)
  local queue, job = batch.queue, load_job(batch.queue, lease.id)
  if not job or not is_current(job, lease.place) then return nil end
  if redis.call('XACK', lease.stream, GROUP, lease.entry) ~= 1 then return nil end
  load_attempts(job)
  local fields = read_entry(lease.stream, lease.entry) or { 'id', job.id, 'attempt', job.attempt + 1 }
  remove_later(batch, lease.stream, lease.entry)
  if job.status == 'running' then
    redis.call('HSET', job.key, 'status', 'queued', 'attempt', job.attempt - 1, 'updated_at', batch.now_text)
    announce_change(queue, job, { number = job.attempt - 1, actor = lease.actor }, QUEUED)
  end
  if job.deadline then redis.call('ZADD', queue.deadlines, job.deadline, job.id) end
  return { id = lease.entry, fields = fields, job = job }
end

-- Returns a released job to its rank in the backlog, where there is one; false where there is none.
local function return_to_rank(queue, entry)
  local fields, key = entry.fields, flow.key_of(entry.job)
  if has_flow then
    if entry.job.is_ping then return false end
    flow.free_unused(queue, key, entry.job.id)
  elseif get_field(fields, 'begun') or not (has_backlog or get_field(fields, 'rank')) then
    return false
  end
  local id = entry.job.id
  local ok, place = pcall(backlog.add, queue, id, backlog.rank_in(entry.id, fields), key)
  if ok then redis.call('HSET', queue.record .. id, 'at', place) else note_damage(queue, place) end
  return ok
end

-- hero_release q | actor, per job: lane entry id
-- Releases jobs that were not started; their attempts do not count. Answers with how many leases stood.
freeing('hero_release', function(keys, args)
  local batch, actor = open_batch(keys[1]), args[1]
  local queue, front, pinned, ranked = batch.queue, {}, {}, 0
  for i = 2, #args, 3 do
    local lease = parse_lease(queue, actor, args, i)
    local ok, entry = pcall(release_job, batch, lease)
    if not ok then note_damage(queue, entry) end
    if ok and entry then
      if lease.letter == 'i' then
        pinned[#pinned + 1] = entry
      elseif return_to_rank(queue, entry) then
        ranked = ranked + 1
      else
        front[#front + 1] = entry
      end
    end
  end
  local released = #front + #pinned + ranked
  if #front > 0 then backlog.clear_window(queue) end
  put_back(queue, 'f', queue.front, front)
  put_back(queue, 'i', inbox_of(queue, actor), pinned)
  close_batch(batch)
  return released
end)

-- Takes one entry that cannot be read out of its stream; a job that it stands for fails.
local function reject_entry(batch, lease, why)
  local queue, entry = batch.queue, read_entry(lease.stream, lease.entry)
  if redis.call('XACK', lease.stream, GROUP, lease.entry) ~= 1 then return end
  remove_later(batch, lease.stream, lease.entry)
  local id = entry and get_field(entry, 'id') or ''
  local number = entry and tonumber(get_field(entry, 'attempt')) or 0
  local found, job = pcall(load_job, queue, id)
  if found and job and is_current(job, lease.place) then
    finish_job(batch, job, { number = number, actor = lease.actor, started = '' }, failed_with('internal', why))
  end
  redis.call('XADD', queue.dead_letters, 'MAXLEN', '~', DEAD_LETTERS_KEPT, '*', 'id', string.sub(id, 1, 64), 'attempt', number,
    'actor', lease.actor, 'error', why, 'entry', lease.place)
  redis.call('HINCRBY', queue.counts, 'malformed', 1)
end

-- hero_reject q | actor, per entry: lane entry why
-- Moves entries that cannot be read to the dead letters; jobs that they stand for fail. Answers 1.
freeing('hero_reject', function(keys, args)
  local batch = open_batch(keys[1])
  for i = 2, #args, 3 do
    reject_entry(batch, parse_lease(batch.queue, args[1], args, i), args[i + 2])
  end
  close_batch(batch)
  return 1
end)

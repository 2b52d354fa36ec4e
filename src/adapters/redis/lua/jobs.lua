-- What supervisors do to single jobs: cancel, delete, retry, reclaim.

-- The attempt of a job that ends while no actor's word about it counts: its number, its actor and its start, where there is one.
local function known_attempt(job, number, actor)
  if actor == '' and number > 0 then actor = redis.call('HGET', job.key, 'actor_id') or '' end
  return { number = number, actor = actor, started = number > 0 and job.started or '' }
end

-- Takes a queued or running job out of its stream and tells the actor that holds it. Answers with the number of its attempt and
-- the actor, '' when no actor has it.
local function withdraw_entry(batch, job)
  local queue = batch.queue
  local number, actor = job.attempt, ''
  local consumer = holder_of_job(queue, job)
  if consumer then
    local letter, entry = split_place(job.place)
    local fields = read_entry(lane_stream(queue, letter, job.target or ''), entry)
    actor = actor_of(consumer)
    number = tonumber(fields and get_field(fields, 'attempt')) or number
    -- A hint; the next heartbeat of the actor tells it as well.
    send_control(queue, actor, 'x', 'cancel', 'for', consumer, 'lease', job.place, 'job', job.id)
  end
  remove_waiting(batch, job)
  return number, actor
end

-- True if this very call has cancelled the job: its answer was lost and it is repeated.
local function was_cancelled_by(job, call)
  return call ~= '' and job.status == 'cancelled' and redis.call('HGET', job.key, 'cancelled_by') == call
end

-- Ends a job as cancelled by this call.
local function cancel_job(batch, job, attempt, reason, call)
  finish_job(batch, job, attempt, cancelled(reason))
  if call ~= '' then redis.call('HSET', job.key, 'cancelled_by', call) end
end

-- Cancels a job that has not ended, wherever it is.
local function cancel_unfinished(batch, job, reason, call)
  local queue = batch.queue
  load_attempts(job)
  local number, actor = job.attempt, ''
  if DELAYED_STATES[job.status] then
    redis.call('ZREM', queue.delayed, job.id)
  elseif job.place then
    number, actor = withdraw_entry(batch, job)
    job.is_held = actor ~= ''
    job.stops_for = job.unique and job.is_held and unique.time_to_stop(queue) or nil
  end
  cancel_job(batch, job, known_attempt(job, number, actor), reason, call)
end

-- hero_cancel q | id reason call: ends a job as cancelled. Answers {1 if that changed it, basic fields}; nil when there is no such
-- job. `call` is a name of this call, by which a repeat of it is known; older supervisors give none.
freeing('hero_cancel', function(keys, args)
  local batch, id, reason, call = open_batch(keys[1]), args[1], args[2], args[3] or ''
  local queue = batch.queue
  local job = load_job(queue, id)
  if not job then return nil end
  if has_ended(job.status) then return { was_cancelled_by(job, call) and 1 or 0, basic_fields(queue, id) } end
  cancel_unfinished(batch, job, reason, call)
  close_batch(batch)
  return { 1, basic_fields(queue, id) }
end)

-- hero_delete q | id: removes the record of an ended job. Answers gone, or the state that forbids it; nil when there is no such
-- job.
freeing('hero_delete', function(keys, args)
  local queue, id = queue_of(keys[1]), args[1]
  local values = redis.call('HMGET', queue.record .. id, 'status', 'kind', 'caller_id', 'attempt', 'actor_id')
  local status = values[1]
  if not status then return nil end
  if not has_ended(status) then return status end
  if values[2] ~= 'ping' then
    local job = { id = id, status = status, caller = values[3] or '' }
    emit_job_event(queue, job, { number = values[4] or 0, actor = values[5] or '' }, { state = 'deleted' })
  end
  redis.call('UNLINK', queue.record .. id, queue.output .. id)
  redis.call('ZREM', queue.jobs, id)
  redis.call('ZREM', queue.ended, id)
  marks.remove(queue, { id })
  return 'gone'
end)

-- Removes what the end of a job has left in its record. With `reset`, attempts count anew; then the output goes, too, since new
-- lines would pass for repeats of the old ones. Answers with the number of attempts that count.
local function reopen_record(queue, job, finished, reset)
  redis.call('PERSIST', job.key)
  redis.call('ZREM', queue.ended, job.id)
  if job.status == 'failed' then marks.take_error(queue, job.id) end
  redis.call('ZADD', queue.unfinished, redis.call('ZSCORE', queue.jobs, job.id) or finished.at, job.id)
  redis.call('HDEL', job.key, 'output', 'result_kind', 'error', 'error_detail', 'cancel_reason', 'cancelled_by',
    'finished_at', 'started_at', 'due_at', 'free', 'wait_until', 'usage', 'blocked_by', 'unblocks')
  if reset then
    redis.call('UNLINK', queue.output .. job.id)
    redis.call('HDEL', job.key, 'progress', 'log', 'log_bytes', 'attempts')
    return 0
  end
  local used = job.attempt
  if used >= job.max_attempts then redis.call('HSET', job.key, 'retries', used) end
  if used > 0 then
    local attempt = { number = used, actor = finished.actor, started = job.started, usage = finished.usage }
    remember_attempt(job, attempt, finished.at, job.status, job.status == 'failed' and finished.detail or '')
  end
  return used
end

-- Adds the entry of a job that is tried again by hand, `shift` being that of its priority; answers with its place.
local function enqueue_again(queue, job, number, shift)
  if job.target and job.target ~= '' then
    return 'i:' .. add_pinned(queue, job.target, 'attempt', number, 'id', job.id)
  end
  if has_backlog or shift then return backlog.add_new(queue, job.id, shift, flow.key_of(job)) end
  return 'q:' .. redis.call('XADD', queue.stream, '*', 'attempt', number, 'id', job.id)
end

-- Makes a job that was cancelled and is tried again wait until the actor that had it has stopped it. Answers with its basic fields.
local function wait_for_own_end(queue, job, attempt, stops, now)
  redis.call('ZADD', queue.delayed, text_of(stops), job.id)
  -- A place of its own, by which a repeat of the call is known.
  redis.call('HSET', job.key, 'status', 'blocked', 'blocked_by', job.id, 'at', 'd:' .. text_of(now), 'attempt', attempt.number,
    'updated_at', text_of(now))
  announce_change(queue, job, attempt, BLOCKED)
  return basic_fields(queue, job.id)
end

-- hero_retry q | id reset place by queued running, perhaps others_queued others_running: queues a job that failed or was cancelled once more; with reset 1 its attempts count anew. Answers
-- with its basic fields, or with the state that forbids it; nil when there is no such job. `place` is where the caller has seen
-- the job last, '' for nowhere. A job at another place was retried since, by this call before its answer was lost or by
-- another one, and is left as it is; older supervisors give no place. `by` is the identity that asks and `queued` and `running` its
-- quota (a number or nothing): a job of its own that its quota refuses is answered as hero_submit does. Older supervisors give none.
-- In a Cluster `others_queued` and `others_running` are its jobs in the queues of the other script types.
writing('hero_retry', function(keys, args)
  local queue, now, id = queue_of(keys[1]), now_ms(), args[1]
  local job = load_job(queue, id)
  if not job then return nil end
  if args[3] and args[3] ~= (job.place or '') then return basic_fields(queue, id) end
  if job.is_ping or (job.status ~= 'failed' and job.status ~= 'cancelled') then return job.status end
  local most = { queued = tonumber(args[5]), running = tonumber(args[6]) }
  local elsewhere = args[7] and { queued = tonumber(args[7]), running = tonumber(args[8]) }
  local refused = quotas.refusal_of_retry(queue, job, args[4] or '', most, elsewhere)
    or job.unique and unique.refusal_of_retry(queue, job, now)
  if refused then return refused end
  load_attempts(job)
  local values = redis.call('HMGET', job.key, 'actor_id', 'finished_at', 'error_detail', 'queue_timeout', 'usage',
    'rank_shift')
  local finished = { actor = values[1] or '', at = tonumber(values[2]) or now, detail = values[3], usage = values[5] or nil }
  local used = reopen_record(queue, job, finished, args[2] == '1')
  if job.unique then
    unique.take(queue, id, job.unique)
    local stops = unique.stops_until(job)
    if stops > now then return wait_for_own_end(queue, job, { number = used, actor = finished.actor }, stops, now) end
  end
  local place = enqueue_again(queue, job, used + 1, values[6])
  redis.call('HSET', job.key, 'status', 'queued', 'at', place, 'attempt', used, 'updated_at', now)
  if used == 0 and values[4] then
    redis.call('HSET', job.key, 'wait_until', set_deadline(queue, id, now, tonumber(values[4])))
  end
  backlog.settle(queue)
  announce_change(queue, job, { number = used, actor = finished.actor }, QUEUED)
  return basic_fields(queue, id)
end)

-- Moves a job that waits for its first attempt to the rank of another priority. What has begun comes first as it is, and what is for
-- one actor only waits in the order of its inbox.
local function move_to_rank(queue, job, shift)
  local letter, entry = split_place(job.place)
  local old_shift = tonumber(redis.call('HGET', job.key, 'rank_shift')) or 0
  local rank, key = letter == 'b' and tonumber(entry), flow.key_of(job)
  if letter == 'i' or rank and flow.has_begun(rank) then return end
  if rank and has_flow then flow.remove(queue, key, job.id, rank) end
  if not rank then
    local stream = lane_stream(queue, letter)
    local fields = read_entry(stream, entry)
    if not fields or get_field(fields, 'begun') then return end
    rank = backlog.rank_in(entry, fields)
    if flow.has_begun(rank) then return end
    redis.call('XDEL', stream, entry)
    if has_flow then flow.free_unused(queue, key, job.id) end
  end
  redis.call('HSET', job.key, 'at', backlog.add(queue, job.id, rank - old_shift + shift, key))
end

-- hero_update q | id priority shift: gives a job that waits another priority, the rank of which is moved by `shift`. Answers {1 if that
-- changed it, basic fields}, or with the state that forbids it; nil when there is no such job. A job that an actor has is running.
freeing('hero_update', function(keys, args)
  local queue, id, priority, shift = queue_of(keys[1]), args[1], args[2], tonumber(args[3])
  local job = load_job(queue, id)
  if not job or job.is_ping then return nil end
  if has_ended(job.status) or job.status == 'running' then return job.status end
  load_attempts(job)
  if job.status == 'queued' and holder_of_job(queue, job) then return 'running' end
  local values = redis.call('HMGET', job.key, 'priority', 'actor_id')
  local old = values[1] or DEFAULT_PRIORITY
  if old == priority then return { 0, basic_fields(queue, id) } end
  if job.status == 'queued' then move_to_rank(queue, job, shift) end
  if priority == DEFAULT_PRIORITY then
    redis.call('HDEL', job.key, 'priority', 'rank_shift')
  else
    redis.call('HSET', job.key, 'priority', priority, 'rank_shift', text_of(shift))
  end
  redis.call('HSET', job.key, 'updated_at', text_of(now_ms()))
  backlog.settle(queue)
  emit_job_event(queue, job, { number = job.attempt, actor = values[2] or '' },
    { state = 'updated', word = 'priority', body = old .. ' ' .. priority })
  publish_change(queue, id)
  return { 1, basic_fields(queue, id) }
end)

-- Takes one pending entry from an actor that is gone; its job is tried again or fails. `lease` has letter, entry and stream;
-- `lost` has message and detail of the error. Answers retried, failed or nil.
local function reclaim_entry(batch, lease, consumer, lost)
  local queue, fields = batch.queue, read_entry(lease.stream, lease.entry)
  if redis.call('XACK', lease.stream, GROUP, lease.entry) == 0 then return nil end
  remove_later(batch, lease.stream, lease.entry)
  lease.id = fields and get_field(fields, 'id')
  local job = lease.id and load_job(queue, lease.id)
  if not job or not is_current(job, lease.letter .. ':' .. lease.entry) then return nil end
  load_attempts(job)
  local number = tonumber(get_field(fields, 'attempt')) or 1
  local attempt = { number = number, actor = actor_of(consumer), started = job.status == 'running' and job.started or '' }
  if number < job.max_attempts then
    local place = requeue(queue, job, lease, fields, number + 1)
    redis.call('HSET', job.key, 'status', 'queued', 'at', place, 'attempt', number, 'actor_id', attempt.actor, 'updated_at',
      batch.now_text)
    if not job.is_ping then remember_attempt(job, attempt, batch.now, 'queued', lost.detail) end
    announce_change(queue, job, attempt, { state = 'queued', word = 'error', body = lost.detail })
    return 'retried'
  end
  job.is_lost = true
  finish_job(batch, job, attempt, failed(lost.message, lost.detail))
  add_dead_letter(queue, job, attempt, lost.message)
  return 'failed'
end

-- Reclaims what consumers of one process hold in one stream, up to `most` entries; answers with how many it looked at.
local function reclaim_stream(batch, lane, prefix, lost, most, count)
  local seen = 0
  for _, consumer in ipairs(consumers_of(lane.stream)) do
    local name = get_field(consumer, 'name')
    if string.sub(name, 1, #prefix) == prefix and seen < most then
      local entries = pending_entries(lane.stream, '-', '+', most - seen, name)
      seen = seen + #entries
      for_each(batch.queue, entries, function(entry)
        local outcome = reclaim_entry(batch, { letter = lane.letter, stream = lane.stream, entry = entry[1] }, name, lost)
        if outcome then count[outcome] = count[outcome] + 1 end
      end)
      if seen < most then redis.call('XGROUP', 'DELCONSUMER', lane.stream, GROUP, name) end
    end
  end
  return seen
end

-- hero_reclaim q | actor pid message detail limit: takes the jobs and the announcement of a dead process from it. Answers
-- {retried, failed, 1 while there may be more}.
freeing('hero_reclaim', function(keys, args)
  local batch, actor = open_batch(keys[1]), args[1]
  local queue, prefix, limit = batch.queue, actor .. '.' .. args[2] .. '.', tonumber(args[5])
  local lost, count, seen = { message = args[3], detail = args[4] }, { retried = 0, failed = 0 }, 0
  for _, letter in ipairs({ 'f', 'q', 'i' }) do
    local lane = { letter = letter, stream = lane_stream(queue, letter, actor) }
    seen = seen + reclaim_stream(batch, lane, prefix, lost, limit - seen, count)
  end
  local announcement = redis.call('HGET', queue.actors, actor)
  if announcement and string.sub(consumer_of(announcement), 1, #prefix) == prefix then
    redis.call('HDEL', queue.actors, actor)
  end
  close_batch(batch)
  return { count.retried, count.failed, seen >= limit and 1 or 0 }
end)

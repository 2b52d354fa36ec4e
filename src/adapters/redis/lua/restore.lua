-- Writes what a backup had. What is there already is left as it is.
--
-- Each queue notes how far its jobs are restored, in the step that writes them: a restore that was killed and goes on restores no job
-- twice, even if the job has run and gone meanwhile. The times of a backup stand still until it is restored: what was left of a time to
-- live, of the delay of a retry and of a queue timeout counts from now. The times of scheduled jobs are those of their callers.

-- Fields that say where a job was, who waited, how long an actor may go on after a cancel, and how long its output is; that of a record
-- comes back with the record.
local NOT_RESTORED = { at = true, rep = true, wait_until = true, stops = true, log_bytes = true }

-- The number of the last line of this backup that is restored in this queue.
local function restored_line(queue, backup)
  local known = redis.call('HMGET', queue.restore, 'backup', 'line')
  return known[1] == backup and tonumber(known[2]) or 0
end

-- The time that is so far from now as `then_ms` was from the time at which it was read.
local function time_from_now(batch, saved, then_ms)
  return text_of(batch.now + math.max((tonumber(then_ms) or 0) - saved.read_at, 0))
end

-- Adds a waiting job at its place: to its inbox, to the front if it has begun, else to the backlog by its rank.
local function place_again(queue, job, saved)
  local number = text_of(job.attempt + 1)
  if job.target and job.target ~= '' then
    return 'i:' .. add_pinned(queue, job.target, 'attempt', number, 'id', job.id)
  end
  if saved.begun and has_flow then return backlog.add(queue, job.id, flow.rank_of_begun(), flow.key_of(job)) end
  if saved.begun then
    backlog.clear_window(queue)
    return 'f:' .. redis.call('XADD', queue.front, '*', 'attempt', number, 'begun', '1', 'id', job.id)
  end
  return backlog.add_accepted(queue, job.id, saved.rank, redis.call('HGET', job.key, 'rank_shift'), flow.key_of(job))
end

-- Queues a job that waited for an actor, with what was left of the time for which it may wait.
local function restore_queued(batch, job, saved)
  local queue = batch.queue
  redis.call('HSET', job.key, 'at', place_again(queue, job, saved))
  local deadline = get_field(saved.fields, 'wait_until')
  if deadline and job.attempt == 0 then
    local anew = time_from_now(batch, saved, deadline)
    redis.call('ZADD', queue.deadlines, anew, job.id)
    redis.call('HSET', job.key, 'wait_until', anew)
  end
end

-- Takes an attempt for lost that an actor had when the backup was made: the job is tried again or fails.
local function lose_attempt(batch, job, saved)
  local queue, number = batch.queue, tonumber(saved.attempt) or 1
  local message = 'actor ' .. saved.actor .. ' had the job when the backup was made, and how that attempt ended is not known'
  local detail = cjson.encode({ kind = 'actor_lost', message = message })
  local attempt = { number = number, actor = saved.actor, started = job.status == 'running' and job.started or '' }
  if number >= job.max_attempts then
    finish_job(batch, job, attempt, failed(message, detail))
    return add_dead_letter(queue, job, attempt, message)
  end
  remember_attempt(job, attempt, batch.now, 'queued', detail)
  job.attempt, job.status, saved.begun = number, 'queued', true
  redis.call('HSET', job.key, 'status', 'queued', 'at', place_again(queue, job, saved), 'attempt', number, 'actor_id',
    attempt.actor, 'updated_at', batch.now_text)
end

-- The other job, restored before, for whose end a job waits that has the same unique key; nil if it waits for none.
local function job_before(queue, job)
  local before = job.status == 'blocked' and redis.call('HGET', job.key, 'blocked_by')
  if not before or before == job.id or redis.call('EXISTS', queue.record .. before) == 0 then return nil end
  return before
end

-- Makes a job wait for its time, or for the end of another one.
local function restore_delayed(batch, job, saved)
  local due = get_field(saved.fields, 'due_at') or batch.now_text
  if job.status == 'blocked' then
    local before = job_before(batch.queue, job)
    due = before and unique.score_behind(batch.queue, before) or batch.now_text
  end
  if job.status == 'retry_wait' then
    due = time_from_now(batch, saved, due)
    redis.call('HSET', job.key, 'due_at', due, 'updated_at', batch.now_text)
  end
  redis.call('ZADD', batch.queue.delayed, due, job.id)
end

local function restore_ended(batch, job, saved)
  redis.call('PEXPIRE', job.key, saved.kept)
  redis.call('ZADD', batch.queue.ended, expiry_of(batch, saved.kept), job.id)
end

local function restore_unfinished(batch, job, saved)
  local queue = batch.queue
  redis.call('ZADD', queue.unfinished, saved.accepted, job.id)
  if job.unique then unique.take(queue, job.id, job.unique, job_before(queue, job)) end
  if saved.attempt ~= '' then
    lose_attempt(batch, job, saved)
  elseif job.status == 'queued' then
    restore_queued(batch, job, saved)
  else
    restore_delayed(batch, job, saved)
  end
  if not has_ended(redis.call('HGET', job.key, 'status')) then quotas.note(queue, job, 'queued') end
end

-- Writes the record of a job and puts the job where it was.
local function write_job(batch, saved)
  local queue, key = batch.queue, batch.queue.record .. saved.id
  for i = 1, #saved.fields, 2 do
    if not NOT_RESTORED[saved.fields[i]] then redis.call('HSET', key, saved.fields[i], saved.fields[i + 1]) end
  end
  local log = get_field(saved.fields, 'log')
  if log then redis.call('HSET', key, 'log_bytes', #log) end
  local job = load_job(queue, saved.id)
  if not job then error('its record has no status', 0) end
  load_attempts(job)
  redis.call('ZADD', queue.jobs, saved.accepted, job.id)
  marks.restore(queue, job.id, saved.accepted)
  if has_ended(job.status) then restore_ended(batch, job, saved) else restore_unfinished(batch, job, saved) end
end

-- The same; a job that cannot be written leaves nothing behind. Answers with the error, nil if there is none.
local function restore_job(batch, saved)
  local ok, problem = pcall(write_job, batch, saved)
  if ok then return nil end
  local queue = batch.queue
  redis.call('UNLINK', queue.record .. saved.id)
  for _, index in ipairs({ queue.jobs, queue.unfinished, queue.ended, queue.delayed, queue.deadlines, backlog_key(queue) }) do
    redis.pcall('ZREM', index, saved.id)
  end
  pcall(marks.remove, queue, { saved.id })
  return 'job ' .. saved.id .. ': ' .. error_text(problem)
end

-- Reads one job from arguments; answers with it and the index behind it.
local function parse_saved(args, i)
  local saved = {
    line = tonumber(args[i]), id = args[i + 1], accepted = args[i + 2], kept = args[i + 3], attempt = args[i + 4],
    actor = args[i + 5], rank = tonumber(args[i + 6]) or tonumber(args[i + 2]) * 1000, begun = args[i + 7] == '1',
    read_at = tonumber(args[i + 8]), fields = {},
  }
  local last = i + 9 + tonumber(args[i + 9])
  for n = i + 10, last do saved.fields[#saved.fields + 1] = args[n] end
  return saved, last + 1
end

-- hero_restore_jobs q | backup, per job: line id accepted kept attempt actor rank begun read_at n field value …: writes jobs as
-- hero_backup_jobs has read them at `read_at`. `line` is the place of the job in the backup, `n` the number of names and values.
-- Answers per job with 1, or 0 if it is there or was restored before; no_queue in place of all if there is no such queue. The first job
-- that cannot be written is the error of the call; those before it are restored.
writing('hero_restore_jobs', function(keys, args)
  local batch = open_batch(keys[1])
  local queue, backup, answers, i = batch.queue, args[1], {}, 2
  if not registry.type_of(queue) then return 'no_queue' end
  local done, last, problem = restored_line(queue, backup), 0, nil
  while i <= #args and not problem do
    local saved
    saved, i = parse_saved(args, i)
    local is_new = saved.line > done and redis.call('EXISTS', queue.record .. saved.id) == 0
    if is_new then problem = restore_job(batch, saved) end
    if not problem then answers[#answers + 1], last = is_new and 1 or 0, math.max(last, saved.line) end
  end
  if last > done then redis.call('HSET', queue.restore, 'backup', backup, 'line', text_of(last)) end
  close_batch(batch)
  return problem and redis.error_reply(problem) or answers
end)

-- hero_restore_queue q | script_type created_at paused reason who: creates the queue if it was created by name, and pauses it if it was
-- paused. `script_type` is empty for a default queue. Answers with the script type whose jobs the queue takes; an empty text while the
-- queue is being deleted.
writing('hero_restore_queue', function(keys, args)
  local queue = queue_of(keys[1])
  if args[1] ~= '' and redis.call('HSETNX', queue.meta, 'script_type', args[1]) == 1 then
    redis.call('HSET', queue.meta, 'created_at', args[2])
  end
  local serves = registry.type_of(queue)
  local number = pause_number(queue)
  if serves and args[3] == '1' and number % 2 == 0 then set_pause(queue, number + 1, args[4], '', args[5]) end
  return serves or ''
end)

-- hero_restore_object objects | id text index …: writes an object as hero_backup_objects has read it. Answers 1, or 0 if there is one.
writing('hero_restore_object', function(keys, args)
  local objects, id, known = keys[1], args[1], {}
  if redis.call('HEXISTS', objects, id) == 1 then return 0 end
  for i = 3, #args do
    redis.call('SADD', objects .. ':x:' .. args[i], id)
    known[#known + 1] = args[i]
  end
  redis.call('HSET', objects .. ':f', id, cmsgpack.pack(known))
  redis.call('HSET', objects, id, args[2])
  return 1
end)

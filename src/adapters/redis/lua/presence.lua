-- Actors that are there: announcements, messages to their processes, and what happens when they go.

-- milliseconds since its announcement for which a process keeps its place before one that was left over
local YIELDS_MS = 10000

-- True if another process of the actor has announced itself lately, does not drain, and is the younger one if this one does not
-- drain either. A process that drains or is older does not take its place: it was left over, and its successor works.
local function yields(queue, actor, consumer, draining, started, now)
  local announcement = redis.call('HGET', queue.actors, actor)
  local known = announcement and decode_table(announcement)
  local beat = known and tonumber(known.beat_ms)
  if not beat or known.consumer == consumer or known.draining or now - beat >= YIELDS_MS then return false end
  local since = tonumber(known.started_ms)
  return draining or (started and since and started < since)
end

-- hero_announce q | actor consumer pid draining idle_ms version pending refused script_type started_ms: creates the consumer groups and
-- notes that the actor is there.
--   idle_ms: time since it last took or finished a job; '' when it never did
--   pending: ends that it could not write yet; refused: calls with ends that were refused since its start
--   script_type: that of its scripts, which must be that of the queue; '' or left out when it is not told
--   started_ms: start of the process since that of its machine; older actors leave it out
-- Answers with the number of the pause: odd while the queue is paused. The higher of two numbers holds.
freeing('hero_announce', function(keys, args)
  local queue, actor, consumer = queue_of(keys[1]), args[1], args[2]
  local problem = registry.refusal_of_actor(queue, args[9] ~= '' and args[9] or nil)
  if problem then return redis.error_reply('ERR ' .. problem) end
  for _, stream in ipairs({ queue.stream, queue.front, inbox_of(queue, actor), control_of(queue, actor) }) do
    redis.pcall('XGROUP', 'CREATE', stream, GROUP, '0', 'MKSTREAM')
  end
  local now, draining, idle, started = now_ms(), args[4] == '1', tonumber(args[5]), tonumber(args[10])
  if not yields(queue, actor, consumer, draining, started, now) then
    redis.call('HSET', queue.actors, actor, cjson.encode({
      consumer = consumer, pid = tonumber(args[3]), draining = draining, beat_ms = now,
      last_job_ms = idle and now - idle or nil, version = args[6], pending_ends = tonumber(args[7]),
      refused_ends = tonumber(args[8]), started_ms = started,
    }))
  end
  return pause_number(queue)
end)

-- hero_leave q | actor consumer: removes the announcement, and the consumer from streams where it holds nothing. Answers 1.
freeing('hero_leave', function(keys, args)
  local queue, actor, consumer = queue_of(keys[1]), args[1], args[2]
  local announcement = redis.call('HGET', queue.actors, actor)
  if announcement and consumer_of(announcement) == consumer then redis.call('HDEL', queue.actors, actor) end
  for _, stream in ipairs({ queue.stream, queue.front, inbox_of(queue, actor) }) do
    if #pending_entries(stream, '-', '+', 1, consumer) == 0 then
      redis.pcall('XGROUP', 'DELCONSUMER', stream, GROUP, consumer)
    end
  end
  redis.pcall('XGROUP', 'DELCONSUMER', control_of(queue, actor), GROUP, consumer)
  return 1
end)

-- hero_wake q | actor consumer: ends the blocking read of this process. Answers 1.
freeing('hero_wake', function(keys, args)
  send_control(queue_of(keys[1]), args[1], 'x', 'wake', 'for', args[2])
  return 1
end)

-- hero_drain q | actor resume_ms: asks the announced process of this actor to take no new job for so long. Answers 1, or 0 when
-- there is none.
freeing('hero_drain', function(keys, args)
  local queue, actor = queue_of(keys[1]), args[1]
  local announcement = redis.call('HGET', queue.actors, actor)
  if not announcement then return 0 end
  local until_ms = now_ms() + tonumber(args[2])
  send_control(queue, actor, 'x', 'drain', 'for', consumer_of(announcement), 'until', until_ms)
  return 1
end)

-- How many jobs each consumer holds in the streams that all actors read.
local function held_in_common(queue)
  local held = {}
  for _, stream in ipairs({ queue.stream, queue.front }) do
    for _, pair in ipairs(pending_entries(stream)[4] or {}) do
      held[pair[1]] = (held[pair[1]] or 0) + tonumber(pair[2])
    end
  end
  return held
end

-- Adds to `answer` of each actor in a flat list of ids and announcements: id, announcement, and the jobs that this process holds.
local function add_presences(queue, answer, actors, held)
  for i = 1, #actors, 2 do
    count_inbox(inbox_of(queue, actors[i]), held)
    local n = #answer
    answer[n + 1], answer[n + 2] = actors[i], actors[i + 1]
    answer[n + 3] = held[consumer_of(actors[i + 1])] or 0
  end
end

-- hero_presences q: per actor its id, its announcement as JSON, and the number of jobs that this process holds. All actors in one
-- call, as supervisors with a revision below 7 ask.
reading('hero_presences', function(keys)
  local queue, answer = queue_of(keys[1]), {}
  add_presences(queue, answer, redis.call('HGETALL', queue.actors), held_in_common(queue))
  return answer
end)

-- hero_presence_page q | cursor: {cursor of the next page or 0, and per actor the same as hero_presences}. An actor may be on two
-- pages.
reading('hero_presence_page', function(keys, args)
  local queue = queue_of(keys[1])
  local page = redis.call('HSCAN', queue.actors, args[1], 'COUNT', ACTORS_PAGE)
  local answer = { page[1] }
  add_presences(queue, answer, page[2], held_in_common(queue))
  return answer
end)

-- Fails a job that only a removed actor could have run.
local function lose_job(batch, job, actor, number)
  local message = 'actor ' .. actor .. ' was removed'
  local attempt = { number = number, actor = actor, started = job.started or '' }
  finish_job(batch, job, attempt, failed_with('actor_lost', message))
  add_dead_letter(batch.queue, job, attempt, message)
end

-- Fails one delayed job if it is for this actor only.
local function lose_delayed(batch, actor, id)
  local queue = batch.queue
  if redis.call('HGET', queue.record .. id, 'target_actor') ~= actor then return end
  redis.call('ZREM', queue.delayed, id)
  local job = load_job(queue, id)
  if job and DELAYED_STATES[job.status] then
    lose_job(batch, load_attempts(job), actor, job.attempt)
  end
end

-- hero_forget_delayed q | actor cursor limit: fails the delayed jobs for this actor only, among the next ones. Answers with the
-- cursor of the next call, 0 at the end.
freeing('hero_forget_delayed', function(keys, args)
  local batch, actor = open_batch(keys[1]), args[1]
  local queue = batch.queue
  local page = redis.call('ZSCAN', queue.delayed, args[2], 'COUNT', args[3])
  local ids = {}
  for i = 1, #page[2], 2 do ids[#ids + 1] = page[2][i] end
  for_each(queue, ids, function(id) lose_delayed(batch, actor, id) end)
  close_batch(batch)
  return page[1]
end)

-- Fails the job of one inbox entry and removes the entry.
local function lose_entry(batch, stream, actor, entry, fields)
  local holder = holder_of(stream, entry)
  redis.call('XACK', stream, GROUP, entry)
  remove_later(batch, stream, entry)
  local id = get_field(fields, 'id')
  local job = id and load_job(batch.queue, id)
  if not job or not is_current(job, 'i:' .. entry) then return end
  load_attempts(job)
  lose_job(batch, job, actor, holder and tonumber(get_field(fields, 'attempt')) or job.attempt)
end

-- hero_forget_actor q | actor limit: fails the jobs in the inbox and forgets the actor. Answers 1 while there is more.
freeing('hero_forget_actor', function(keys, args)
  local batch, actor, limit = open_batch(keys[1]), args[1], tonumber(args[2])
  local queue = batch.queue
  local stream = inbox_of(queue, actor)
  local entries = redis.call('XRANGE', stream, '-', '+', 'COUNT', limit)
  for_each(queue, entries, function(entry) lose_entry(batch, stream, actor, entry[1], entry[2]) end)
  close_batch(batch)
  if #entries == limit then return 1 end
  redis.call('UNLINK', stream, control_of(queue, actor))
  redis.call('HDEL', queue.actors, actor)
  redis.call('SREM', queue.inboxes, actor)
  return 0
end, 'hero_forget')

-- A queue as a whole: its depth, its pause, its purge.

local COUNTED = 500 -- entries of one inbox that are looked at; a longer inbox is counted as if it held jobs only
local PINGS = 4     -- pings at the head of one stream that are passed over

-- Counts the jobs in an inbox: those that wait, and those that are held. With `held`, also those of each consumer. Pings are
-- left out.
local function count_inbox(stream, held)
  local length = redis.call('XLEN', stream)
  if length == 0 then return 0, 0 end
  if length > COUNTED then
    local all = pending_count(stream)
    return length - all, all
  end
  local holders, waiting, running = {}, 0, 0
  for _, entry in ipairs(pending_entries(stream, '-', '+', COUNTED)) do holders[entry[1]] = entry[2] end
  for _, entry in ipairs(redis.call('XRANGE', stream, '-', '+', 'COUNT', COUNTED)) do
    local consumer = holders[entry[1]]
    if get_field(entry[2], 'id') and get_field(entry[2], 'kind') ~= 'ping' then
      if consumer then
        running = running + 1
        if held then held[consumer] = (held[consumer] or 0) + 1 end
      else
        waiting = waiting + 1
      end
    end
  end
  return waiting, running
end

-- The time at which the oldest waiting job of a stream was added; -1 when none waits.
local function oldest_in(stream)
  local after = last_delivered(stream)
  for _, entry in ipairs(redis.call('XRANGE', stream, after and '(' .. after or '-', '+', 'COUNT', PINGS)) do
    if get_field(entry[2], 'kind') ~= 'ping' then
      return tonumber(string.match(get_field(entry[2], 'order') or entry[1], '^(%d+)')) or -1
    end
  end
  return -1
end

-- The earlier of two times, of which -1 is none.
local function earlier(a, b)
  if a < 0 then return b end
  if b < 0 then return a end
  return math.min(a, b)
end

-- Counts one page of inboxes. Answers with {queued, running, queued for absent actors, oldest}, and the cursor of the next page,
-- 0 at the end. While the set of inboxes grows, a page may count one of them again.
local function count_inboxes(queue, cursor)
  local page = redis.call('SSCAN', queue.inboxes, cursor, 'COUNT', ACTORS_PAGE)
  local sum = { queued = 0, running = 0, absent = 0, oldest = -1 }
  for _, actor in ipairs(page[2]) do
    local stream = inbox_of(queue, actor)
    local waiting, running = count_inbox(stream, nil)
    sum.queued, sum.running = sum.queued + waiting, sum.running + running
    if waiting > 0 then
      sum.oldest = earlier(sum.oldest, oldest_in(stream))
      if redis.call('HEXISTS', queue.actors, actor) == 0 then sum.absent = sum.absent + waiting end
    end
  end
  return sum, page[1]
end

-- Counts the streams that all actors read.
local function count_common(queue)
  local queued, running = backlog.count(queue), 0
  for _, stream in ipairs({ queue.stream, queue.front }) do
    local held = pending_count(stream)
    queued, running = queued + redis.call('XLEN', stream) - held, running + held
  end
  return queued, running
end

-- Counts all inboxes in one step, as supervisors with a revision below 7 ask.
local function count_all_inboxes(queue)
  local sum, cursor = count_inboxes(queue, '0')
  while cursor ~= '0' do
    local more
    more, cursor = count_inboxes(queue, cursor)
    sum.queued, sum.running = sum.queued + more.queued, sum.running + more.running
    sum.absent, sum.oldest = sum.absent + more.absent, earlier(sum.oldest, more.oldest)
  end
  return sum, cursor
end

local function depth_of(queue, sum, cursor)
  local queued, running = count_common(queue)
  return { queued + sum.queued, running + sum.running, redis.call('ZCARD', queue.delayed), sum.absent, cursor }
end

-- hero_depth_page q: {queued, running, delayed, queued for absent actors, cursor}. The cursor is 0, or what hero_inboxes goes on
-- with.
reading('hero_depth_page', function(keys)
  local queue = queue_of(keys[1])
  return depth_of(queue, count_inboxes(queue, '0'))
end)

-- hero_depth q: as hero_depth_page, with all inboxes.
reading('hero_depth', function(keys)
  local queue = queue_of(keys[1])
  return depth_of(queue, count_all_inboxes(queue))
end)

-- hero_inboxes q | cursor: the next page of inboxes: {queued, running, queued for absent actors, oldest, cursor}.
reading('hero_inboxes', function(keys, args)
  local sum, cursor = count_inboxes(queue_of(keys[1]), args[1])
  return { sum.queued, sum.running, sum.absent, sum.oldest, cursor }
end)

-- The number in `pause` grows with every change and is odd while the queue is paused, so that an actor which hears of two
-- changes in the wrong order knows which one holds.
local function pause_number(queue)
  return tonumber(redis.call('HGET', queue.pause, 'n')) or 0
end

local function state_of(queue, sum, cursor)
  local queued, running = count_common(queue)
  local common = earlier(earlier(oldest_in(queue.stream), oldest_in(queue.front)), backlog.oldest(queue))
  local pause = redis.call('HMGET', queue.pause, 'since', 'reason', 'who')
  local counts = redis.call('HMGET', queue.counts, 'submitted', 'finished', 'malformed', 'damaged')
  return {
    now_ms(), queued + sum.queued, running + sum.running, redis.call('ZCARD', queue.delayed), common, pause_number(queue),
    pause[1] or '0', pause[2] or '', counts[1] or '0', counts[2] or '0', sum.absent, earlier(common, sum.oldest),
    counts[3] or '0', counts[4] or '0', cursor,
    pause[3] or '',
  }
end

-- hero_queue_state q: {now, queued, running, delayed, oldest that any actor may take, pause number, since, reason, submitted, finished,
-- queued for absent actors, oldest of all, malformed, damaged, cursor, who has paused it}. Times are -1 when no job waits; the cursor is as in
-- hero_depth_page.
reading('hero_queue_state', function(keys)
  local queue = queue_of(keys[1])
  return state_of(queue, count_inboxes(queue, '0'))
end)

-- hero_queue q: as hero_queue_state, with all inboxes.
reading('hero_queue', function(keys)
  local queue = queue_of(keys[1])
  return state_of(queue, count_all_inboxes(queue))
end)

-- hero_job_ends q: how many jobs have ended since the queue is there: pairs of a state, or state:kind of error, and a count.
reading('hero_job_ends', function(keys)
  local counts, ends = redis.call('HGETALL', queue_of(keys[1]).counts), {}
  for i = 1, #counts, 2 do
    local word = string.match(counts[i], '^ended:(.+)$')
    if word then ends[#ends + 1] = { word, tonumber(counts[i + 1]) } end
  end
  return ends
end)

-- Sets the number of the pause and tells all actors in the same step, so that none starts a job that was submitted after the
-- pause: the one loop over all actors, with one command for each.
local function set_pause(queue, number, reason, call, who)
  redis.call('HSET', queue.pause, 'n', number, 'since', now_ms(), 'reason', reason, 'by', call, 'who', who)
  local actors = redis.call('HGETALL', queue.actors)
  for i = 1, #actors, 2 do
    send_control(queue, actors[i], 'x', 'pause', 'for', consumer_of(actors[i + 1]), 'n', number)
  end
end

-- 1 if the last change was made by this very call, whose answer was lost; else 0.
local function was_changed_by(queue, call)
  return call ~= '' and redis.call('HGET', queue.pause, 'by') == call and 1 or 0
end

-- hero_pause q | reason call who: from now on no job of this queue is handed out. Answers 1, or 0 when it was paused already. `call` is
-- a name of this call, by which a repeat of it is known, `who` the identity that calls, if it has one; older supervisors give none.
freeing('hero_pause', function(keys, args)
  local queue, call = queue_of(keys[1]), args[2] or ''
  local number = pause_number(queue)
  if number % 2 == 1 then return was_changed_by(queue, call) end
  set_pause(queue, number + 1, args[1], call, args[3] or '')
  return 1
end)

-- hero_resume q | call: jobs are handed out again. Answers 1, or 0 when the queue was not paused.
freeing('hero_resume', function(keys, args)
  local queue, call = queue_of(keys[1]), args[1] or ''
  local number = pause_number(queue)
  if number % 2 == 0 then return was_changed_by(queue, call) end
  set_pause(queue, number + 1, '', call, '')
  return 1
end)

-- The ids of the next jobs behind `after`, which was accepted at `score` and may have gone meanwhile.
local function next_jobs(queue, after, score, limit)
  local start = 0
  if after ~= '' then
    local rank = redis.call('ZRANK', queue.jobs, after)
    start = rank and rank + 1 or redis.call('ZCOUNT', queue.jobs, '-inf', '(' .. score)
  end
  return redis.call('ZRANGE', queue.jobs, start, start + limit - 1)
end

-- True if the job is in one of these states and no actor has it. With a reason it is cancelled; one that this very call has
-- cancelled before its answer was lost counts again.
local function purge_job(batch, id, states, reason, call)
  local queue = batch.queue
  local job = load_job(queue, id)
  if not job then return false end
  if not states[job.status] then return was_cancelled_by(job, call) end
  load_attempts(job)
  local waits = job.status == 'queued' and job.place and split_place(job.place)
  if waits and holder_of_job(queue, job) then return false end
  if reason then
    if waits then remove_waiting(batch, job) else redis.call('ZREM', queue.delayed, id) end
    cancel_job(batch, job, known_attempt(job, job.attempt, ''), reason, call)
  end
  return true
end

-- hero_purge q | mode limit most reason after score state …: counts the jobs in these states that no actor has, among the next
-- `limit` ones behind job `after` (accepted at `score`), and cancels at most `most` of them if mode is cancel:CALL, with the name of
-- this call, or cancel. Answers {count, last id, its score, 1 while there are more}.
freeing('hero_purge', function(keys, args)
  local batch = open_batch(keys[1])
  local mode, call = string.match(args[1], '^(%a+):?(.*)$')
  local reason, limit, most = mode == 'cancel' and args[4] or nil, tonumber(args[2]), tonumber(args[3])
  local score, states, count = args[6], {}, 0
  for i = 7, #args do states[args[i]] = true end
  local ids = next_jobs(batch.queue, args[5], score, limit)
  for_each(batch.queue, ids, function(id)
    if count ~= most and purge_job(batch, id, states, reason, call) then count = count + 1 end
  end)
  close_batch(batch)
  local last = ids[#ids]
  if not last or count == most then return { count, '', '', 0 } end
  return { count, last, redis.call('ZSCORE', batch.queue.jobs, last) or score, #ids == limit and 1 or 0 }
end)

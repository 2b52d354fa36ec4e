-- Periodic housekeeping: due jobs, leases, deadlines, retention, leftovers of actors.
--
-- Scans over actors go on where the last call of any supervisor stopped; their cursors are fields of the queue's clock.

-- Queues the delayed jobs whose time has come; answers with how many there were.
local function promote_due(batch, limit)
  local queue = batch.queue
  local due = redis.call('ZRANGEBYSCORE', queue.delayed, '-inf', batch.now_text, 'LIMIT', 0, limit)
  for_each(queue, due, function(id) promote_job(batch, id) end)
  return #due
end

-- A lease expires when its actor was silent for its length *while it could have been heard*. Redis measures silence by the wall
-- clock, which also runs while Redis is away or refuses, and can step. So the rounds of maintenance watch the clock themselves:
-- the time between two of them counts up to WATCHED_MS, as long as everything is as usual. After a gap longer than OUTAGE_MS, or
-- a step back, every lease begins anew. For gaps that is done at most once in two leases, so that leases also expire when every
-- round comes late.
local WATCHED_MS = 1500
local OUTAGE_MS = 2500
local GAPS_KEPT = 16
local INDEXED_PAGE = 200 -- jobs that one round adds to the index of unfinished jobs
local REDATED_PAGE = 200 -- jobs that one round looks at after a step back of the clock

-- The gaps as they are stored; those that are damaged are forgotten.
local function decode_gaps(text)
  local gaps = {}
  for _, gap in ipairs(decode_table(text) or {}) do
    if type(gap) == 'table' and type(gap[1]) == 'number' and type(gap[2]) == 'number' and type(gap[3]) == 'number' then
      gaps[#gaps + 1] = gap
    end
  end
  return gaps
end

-- What is known of the clock: the last round (`at`) and the watched time in all (`watched`); where every lease began anew, by the
-- clock (`reset_at`) and as watched time (`reset`); the `gaps` {at, lost, watched} since then; the cursor of the scan over inboxes;
-- whether leases get their time anew in this scan (`restamps`).
local function load_clock(queue)
  local values = redis.call('HMGET', queue.clock, 'at', 'watched', 'reset_at', 'reset', 'gaps', 'inboxes', 'restamps')
  return {
    at = tonumber(values[1]), watched = tonumber(values[2]) or 0, reset_at = tonumber(values[3]), reset = tonumber(values[4]),
    gaps = values[5] and decode_gaps(values[5]) or {}, cursor = values[6] or '0', restamps = values[7] == '1',
  }
end

-- Takes the time since the last round into account; true if more than the watched time has changed.
local function advance_clock(clock, now, lease)
  local gap, changed = clock.at and now - clock.at or OUTAGE_MS, false
  clock.watched = clock.watched + math.max(0, math.min(gap, WATCHED_MS))
  while clock.gaps[1] and clock.watched - clock.gaps[1][3] > lease do
    table.remove(clock.gaps, 1)
    changed = true
  end
  local may_reset = not clock.reset or clock.watched - clock.reset >= 2 * lease
  if gap < 0 or (gap >= OUTAGE_MS and may_reset) then
    clock.reset_at, clock.reset, clock.gaps = now, clock.watched, {}
    if gap < 0 then clock.cursor, clock.restamps, clock.redates = '0', true, 'retries 0' end
    return true
  end
  if gap > WATCHED_MS then
    clock.gaps[#clock.gaps + 1] = { now, gap - WATCHED_MS, clock.watched }
    if #clock.gaps > GAPS_KEPT then table.remove(clock.gaps, 1) end
    return true
  end
  return changed
end

-- Notes this round and answers with the clock.
local function watch_clock(batch, lease)
  local queue = batch.queue
  local clock = load_clock(queue)
  local changed = advance_clock(clock, batch.now, lease)
  redis.call('HSET', queue.clock, 'at', batch.now_text, 'watched', text_of(clock.watched), 'lease', text_of(lease))
  if changed then
    redis.call('HSET', queue.clock, 'gaps', #clock.gaps > 0 and cjson.encode(clock.gaps) or '[]')
    if clock.reset then
      redis.call('HSET', queue.clock, 'reset_at', text_of(clock.reset_at), 'reset', text_of(clock.reset))
    end
    if clock.redates then
      redis.call('HSET', queue.clock, 'redates', clock.redates)
      if has_flow then flow.begin_wakes(queue) end
    end
  end
  return clock
end

-- How long a holder has been silent that was last heard `idle` milliseconds ago by the clock.
local function silence(clock, now, idle)
  local heard = now - idle
  if clock.reset_at and heard <= clock.reset_at then return math.min(idle, clock.watched - clock.reset) end
  for _, gap in ipairs(clock.gaps) do
    if gap[1] > heard then idle = idle - gap[2] end
  end
  return idle
end

-- The streams that hold leases, each with its letter: the common ones and the next page of inboxes. Moves the cursor on.
local function next_lanes(queue, clock)
  local lanes = { { letter = 'f', stream = queue.front }, { letter = 'q', stream = queue.stream } }
  local page = redis.call('SSCAN', queue.inboxes, clock.cursor, 'COUNT', ACTORS_PAGE)
  for _, actor in ipairs(page[2]) do lanes[#lanes + 1] = { letter = 'i', stream = inbox_of(queue, actor) } end
  if page[1] ~= '0' or clock.cursor ~= '0' or clock.restamps then
    redis.call('HSET', queue.clock, 'inboxes', page[1], 'restamps', clock.restamps and page[1] ~= '0' and '1' or '0')
  end
  clock.cursor = page[1]
  return lanes
end

-- Gives those who hold entries that seem to come from the future their time anew, by the clock as it is now.
local function restamp(lanes, limit)
  for _, lane in ipairs(lanes) do
    local by_holder = {}
    for _, entry in ipairs(pending_entries(lane.stream, '-', '+', limit)) do
      if entry[3] == 0 then
        local entries = by_holder[entry[2]]
        if entries then entries[#entries + 1] = entry[1] else by_holder[entry[2]] = { entry[1] } end
      end
    end
    for consumer, entries in pairs(by_holder) do
      entries[#entries + 1] = 'JUSTID'
      redis.call('XCLAIM', lane.stream, GROUP, consumer, 0, unpack(entries))
    end
  end
end

-- Reclaims entries whose lease has expired; answers with how many there were.
local function expire_leases(batch, clock, lanes, lease, limit)
  local expired, seen = 0, 0
  for _, lane in ipairs(lanes) do
    if seen >= limit then break end
    local entries = pending_entries(lane.stream, 'IDLE', text_of(lease), '-', '+', limit - seen)
    seen = seen + #entries
    for_each(batch.queue, entries, function(entry)
      if silence(clock, batch.now, entry[3]) < lease then return end
      expired = expired + 1
      local message = 'the lease expired on ' .. actor_of(entry[2])
      local lost = { message = message, detail = cjson.encode({ kind = 'actor_lost', message = message }) }
      reclaim_entry(batch, { letter = lane.letter, stream = lane.stream, entry = entry[1] }, entry[2], lost)
    end)
  end
  return expired
end

-- Fails one job that waits for its first attempt beyond its queue timeout.
local function fail_overdue_job(batch, id)
  local queue = batch.queue
  redis.call('ZREM', queue.deadlines, id)
  local job = load_job(queue, id)
  if not job or job.status ~= 'queued' or not job.place or load_attempts(job).attempt > 0 then return end
  if holder_of_job(queue, job) then return end
  remove_waiting(batch, job)
  local outcome = failed_with('queue_timeout', 'no actor took it within its queue timeout')
  finish_job(batch, job, { number = 0, actor = '', started = '' }, outcome)
end

-- Fails overdue jobs; answers with how many deadlines were looked at.
local function fail_overdue(batch, limit)
  local queue = batch.queue
  local due = redis.call('ZRANGEBYSCORE', queue.deadlines, '-inf', batch.now_text, 'LIMIT', 0, limit)
  for_each(queue, due, function(id) fail_overdue_job(batch, id) end)
  return #due
end

-- Watches the clock and reclaims what has expired, on the next page of inboxes; answers with the number of leases and the cursor.
local function check_leases(batch, lease, limit)
  local clock = watch_clock(batch, lease)
  local restamps = clock.restamps
  local lanes = next_lanes(batch.queue, clock)
  if restamps then restamp(lanes, limit) end
  return expire_leases(batch, clock, lanes, lease, limit), clock.cursor
end

-- Sets a time of a job anew that was counted from a time that is the future now: what was left of it counts from now.
local function redate_job(queue, id, index, status, field, now)
  local key = queue.record .. id
  local values = redis.call('HMGET', key, 'status', field, 'updated_at')
  local due, counted_from = tonumber(values[2]), tonumber(values[3])
  if values[1] ~= status or not due or not counted_from or counted_from <= now then return end
  local anew = text_of(now + due - counted_from)
  redis.call('HSET', key, field, anew, 'updated_at', text_of(now))
  redis.call('ZADD', index, anew, id)
end

-- After a step back of the clock: delays of retries and queue timeouts that the clock before it has dated, page by page. The times
-- of scheduled jobs are those of their callers and stay. Answers 1 while there is more to do.
local function redate_jobs(queue, now)
  local phase, cursor = string.match(redis.call('HGET', queue.clock, 'redates') or '', '^(%a+) (%d+)$')
  if not phase then return 0 end
  local index, status, field = queue.delayed, 'retry_wait', 'due_at'
  if phase == 'timeouts' then index, status, field = queue.deadlines, 'queued', 'wait_until' end
  local page, ids = redis.call('ZSCAN', index, cursor, 'COUNT', REDATED_PAGE), {}
  for i = 1, #page[2], 2 do ids[#ids + 1] = page[2][i] end
  for_each(queue, ids, function(id) redate_job(queue, id, index, status, field, now) end)
  if page[1] == '0' and phase == 'timeouts' then
    redis.call('HDEL', queue.clock, 'redates')
    return 0
  end
  redis.call('HSET', queue.clock, 'redates', page[1] == '0' and 'timeouts 0' or phase .. ' ' .. page[1])
  return 1
end

-- Adds jobs that were accepted below revision 11 to the index of unfinished jobs, page by page. The clock's field `indexed` has
-- the cursor, and in the end `all`: from then on the index is complete. Who loads this library removes the field before, since an
-- older library may have accepted jobs until then. Answers 1 while there is more to do.
local function index_unfinished(queue)
  local cursor = redis.call('HGET', queue.clock, 'indexed') or '0'
  if cursor == 'all' then return 0 end
  local page, accepted = redis.call('ZSCAN', queue.jobs, cursor, 'COUNT', INDEXED_PAGE), {}
  for i = 1, #page[2], 2 do accepted[#accepted + 1] = { id = page[2][i], at = page[2][i + 1] } end
  for_each(queue, accepted, function(job)
    local status = redis.call('HGET', queue.record .. job.id, 'status')
    if status and not has_ended(status) then redis.call('ZADD', queue.unfinished, job.at, job.id) end
  end)
  local is_complete = page[1] == '0'
  redis.call('HSET', queue.clock, 'indexed', is_complete and 'all' or page[1])
  return is_complete and 0 or 1
end

-- hero_tick q | lease_ms limit, perhaps generation rules form: one round of due jobs, leases, deadlines and flow by key, whose rules
-- these are, as hero_flow has them. Answers 1 while there is more to do.
freeing('hero_tick', function(keys, args)
  local batch, lease, limit = open_batch(keys[1]), tonumber(args[1]), tonumber(args[2])
  local promoted, expired, overdue, cursor, unindexed, unmarked, undated, flows = 0, 0, 0, '0', 0, 0, 0, false
  local problem = run_steps({
    function() promoted = promote_due(batch, limit) end,
    function() expired, cursor = check_leases(batch, lease, limit) end,
    function() overdue = fail_overdue(batch, limit) end,
    function() if args[4] then flow.set_rules(batch, tonumber(args[3]), args[4], tonumber(args[5]) or 0) end end,
    function() flows = flow.maintain(batch) end,
    function() close_batch(batch) end,
    function() undated = redate_jobs(batch.queue, batch.now) end,
    function() unindexed = index_unfinished(batch.queue) end,
    function() unmarked = marks.index_older(batch.queue, INDEXED_PAGE) end,
  })
  if problem then return redis.error_reply(error_text(problem)) end
  local has_more = promoted >= limit or expired >= limit or overdue >= limit or cursor ~= '0'
    or unindexed == 1 or unmarked == 1 or undated == 1 or flows
  return has_more and 1 or 0
end)

-- Removes the records and the output of these jobs.
local function remove_jobs(queue, ids)
  if #ids == 0 then return end
  local keys = {}
  for i, id in ipairs(ids) do keys[2 * i - 1], keys[2 * i] = queue.record .. id, queue.output .. id end
  redis.call('UNLINK', unpack(keys))
  redis.call('ZREM', queue.jobs, unpack(ids))
  redis.call('ZREM', queue.ended, unpack(ids))
  redis.call('ZREM', queue.unfinished, unpack(ids))
  marks.remove(queue, ids)
end

-- hero_trim q | kept limit: removes ended jobs that are too old or too many. Answers 1 while there is more to do.
freeing('hero_trim', function(keys, args)
  local queue, limit = queue_of(keys[1]), tonumber(args[2])
  local old = redis.call('ZRANGEBYSCORE', queue.ended, '-inf', now_ms(), 'LIMIT', 0, limit)
  remove_jobs(queue, old)
  local excess = math.min(redis.call('ZCARD', queue.ended) - tonumber(args[1]), limit)
  if excess > 0 then remove_jobs(queue, redis.call('ZRANGE', queue.ended, 0, excess - 1)) end
  return (#old >= limit or excess >= limit) and 1 or 0
end)

-- Drops consumers that hold nothing and were silent for longer than `idle`. XINFO CONSUMERS has no cursor.
local function drop_consumers(stream, idle)
  for _, consumer in ipairs(consumers_of(stream)) do
    if get_field(consumer, 'pending') == 0 and get_field(consumer, 'idle') > idle then
      redis.call('XGROUP', 'DELCONSUMER', stream, GROUP, get_field(consumer, 'name'))
    end
  end
end

-- Drops consumers of the next page of actors, and of the common streams with the first page; answers with the next cursor.
local function sweep_actors(queue, cursor, idle)
  if cursor == '0' then
    drop_consumers(queue.stream, idle)
    drop_consumers(queue.front, idle)
  end
  local page = redis.call('HSCAN', queue.actors, cursor, 'COUNT', ACTORS_PAGE)
  for i = 1, #page[2], 2 do drop_consumers(inbox_of(queue, page[2][i]), idle) end
  return page[1]
end

-- Forgets inboxes of absent actors that are empty, in the next page; answers with the next cursor.
local function sweep_inboxes(queue, cursor)
  local page = redis.call('SSCAN', queue.inboxes, cursor, 'COUNT', ACTORS_PAGE)
  for _, actor in ipairs(page[2]) do
    if redis.call('HEXISTS', queue.actors, actor) == 0 and redis.call('XLEN', inbox_of(queue, actor)) == 0 then
      redis.call('SREM', queue.inboxes, actor)
    end
  end
  return page[1]
end

local STRAYS_PAGE = 500 -- unfinished jobs that one sweep looks at

-- Adds jobs to the backlog whose records say that they wait there, among the next unfinished ones: somebody has removed the key.
local function restore_backlog(queue)
  local cursor = redis.call('HGET', queue.clock, 'backlog') or '0'
  local page, ids = redis.call('ZSCAN', queue.unfinished, cursor, 'COUNT', STRAYS_PAGE), {}
  for i = 1, #page[2], 2 do ids[#ids + 1] = page[2][i] end
  for_each(queue, ids, function(id)
    local values = redis.call('HMGET', queue.record .. id, 'status', 'at')
    local rank = values[1] == 'queued' and string.match(values[2] or '', '^b:(%d+)$')
    if rank and not redis.call('ZSCORE', queue.backlog, id) then backlog.add(queue, id, tonumber(rank)) end
  end)
  if page[1] ~= cursor then redis.call('HSET', queue.clock, 'backlog', page[1]) end
  backlog.settle(queue)
end

-- Lets blocked jobs go on that nothing would release.
local function release_forgotten(stream)
  local batch = open_batch(stream)
  unique.release_forgotten(batch)
  close_batch(batch)
end

-- hero_sweep q | idle_ms: drops consumers of processes that are long gone, and forgets empty inboxes: the next page of each. Also
-- drops strays of the index of unfinished jobs, restores what is missing in the backlog, and releases blocked jobs that nothing else would.
-- Answers 1 while there are more pages.
freeing('hero_sweep', function(keys, args)
  local queue, idle = queue_of(keys[1]), tonumber(args[1])
  local stored = redis.call('HGET', queue.clock, 'sweep') or 'actors 0'
  local phase, cursor = string.match(stored, '^(%a+) (%d+)$')
  if not phase then phase, cursor = 'actors', '0' end
  if phase == 'actors' then
    if cursor == '0' then
      drop_strays(queue.unfinished, queue.record)
      if has_flow then flow.begin_comparison(queue) else restore_backlog(queue) end
      release_forgotten(keys[1])
    end
    cursor = sweep_actors(queue, cursor, idle)
    if cursor == '0' then phase = 'inboxes' end
  end
  if phase == 'inboxes' then
    cursor = sweep_inboxes(queue, cursor)
    if cursor == '0' then phase = 'actors' end
  end
  local next = phase .. ' ' .. cursor
  if next ~= stored then redis.call('HSET', queue.clock, 'sweep', next) end
  return next == 'actors 0' and 0 or 1
end, 'hero_tidy')

-- One damaged record must not keep all others of its queue waiting: what cannot be done with it is counted and told.
local function each(k, list, act)
  for _, item in ipairs(list) do
    local ok, problem = pcall(act, item)
    if not ok then
      redis.call('HINCRBY', k.counts, 'damaged', 1)
      redis.log(redis.LOG_WARNING, k.base .. ' upkeep: ' .. words_of(problem))
    end
  end
end

local function promote(k, now, limit)
  local due = redis.call('ZRANGEBYSCORE', k.delayed, '-inf', now, 'LIMIT', 0, limit)
  each(k, due, function(id)
    redis.call('ZREM', k.delayed, id)
    local rec = k.rec .. id
    local r = redis.call('HMGET', rec, 'status', 'target_actor', 'attempt', 'kind', 'queue_timeout', 'actor_id',
      'caller_id')
    if r[1] == 'scheduled' or r[1] == 'retry_wait' then
      local used = tonumber(r[3]) or 0
      local entry = { 'attempt', used + 1, 'id', id }
      if r[4] then set(entry, 'kind', r[4]) end
      local at
      if r[2] then
        at = 'i:' .. add_pinned(k, r[2], unpack(entry))
      elseif r[1] == 'retry_wait' then
        at = 'f:' .. redis.call('XADD', k.front, '*', unpack(entry))
      else
        at = 'q:' .. redis.call('XADD', k.q, '*', unpack(entry))
      end
      redis.call('HSET', rec, 'status', 'queued', 'at', at, 'updated_at', now)
      redis.call('HDEL', rec, 'due_at')
      if r[1] == 'scheduled' and r[5] then
        local wait_until = now + tonumber(r[5])
        redis.call('ZADD', k.waits, wait_until, id)
        redis.call('HSET', rec, 'wait_until', wait_until)
      end
      if r[4] ~= 'ping' then
        add_event(k, id, 'queued', used, r[6] or '', r[1], r[7])
        notify(k, id)
      end
    end
  end)
  return #due
end

-- A lease is over when its actor was silent for its length *while it could have been heard*. Redis measures silence by
-- the wall clock; that also runs while Redis is away or refuses, and it can step. So the rounds of upkeep watch the clock
-- themselves: what passes between two of them counts up to WATCHED, as long as everything is as usual. After a gap that is
-- longer than OUTAGE, or a step back, every lease begins anew; for gaps that is done once in two leases at most, so that
-- leases end also when every round comes late.
local WATCHED = 1500
local OUTAGE = 2500
local GAPS_KEPT = 16

-- The streams that hold leases, each with its letter.
local function lanes_of(k)
  local lanes = { { 'f', k.front }, { 'q', k.q } }
  for _, actor in ipairs(actor_ids(k)) do lanes[#lanes + 1] = { 'i', inbox(k, actor) } end
  return lanes
end

-- Gives those who hold entries that seem to come from the future their time anew, by the clock as it is now.
local function restamp(k, limit)
  for _, pair in ipairs(lanes_of(k)) do
    local by_holder = {}
    for _, entry in ipairs(pending(pair[2], '-', '+', limit)) do
      if entry[3] == 0 then
        local list = by_holder[entry[2]]
        if list then list[#list + 1] = entry[1] else by_holder[entry[2]] = { entry[1] } end
      end
    end
    for consumer, ids in pairs(by_holder) do
      ids[#ids + 1] = 'JUSTID'
      redis.call('XCLAIM', pair[2], GROUP, consumer, 0, unpack(ids))
    end
  end
end

-- Notes this round; answers with what is known of the time before it: `watched` in all, where every lease began anew
-- (`reset_at` by the clock, `reset` as watched time), and the `gaps` {at, lost} since then.
local function watch_clock(k, now, lease, limit)
  local t = redis.call('HMGET', k.tick, 'at', 'watched', 'reset_at', 'reset', 'gaps')
  local at, w = tonumber(t[1]), { watched = tonumber(t[2]) or 0, reset_at = tonumber(t[3]), reset = tonumber(t[4]) }
  w.gaps = t[5] and cjson.decode(t[5]) or {}
  local gap = at and now - at or OUTAGE
  w.watched = w.watched + math.max(0, math.min(gap, WATCHED))
  local changed = false
  while w.gaps[1] and w.watched - w.gaps[1][3] > lease do
    table.remove(w.gaps, 1)
    changed = true
  end
  local back = gap < 0
  if back or (gap >= OUTAGE and (not w.reset or w.watched - w.reset >= 2 * lease)) then
    w.reset_at, w.reset, w.gaps, changed = now, w.watched, {}, true
    if back then restamp(k, limit) end
  elseif gap > WATCHED then
    w.gaps[#w.gaps + 1] = { now, gap - WATCHED, w.watched }
    if #w.gaps > GAPS_KEPT then table.remove(w.gaps, 1) end
    changed = true
  end
  redis.call('HSET', k.tick, 'at', text_of(now), 'watched', text_of(w.watched))
  if changed then
    redis.call('HSET', k.tick, 'gaps', #w.gaps > 0 and cjson.encode(w.gaps) or '[]')
    if w.reset then redis.call('HSET', k.tick, 'reset_at', text_of(w.reset_at), 'reset', text_of(w.reset)) end
  end
  return w
end

-- How long a holder has been silent that was last heard `idle` ago by the clock.
local function silence(w, now, idle)
  local heard = now - idle
  if w.reset_at and heard <= w.reset_at then return math.min(idle, w.watched - w.reset) end
  for _, gap in ipairs(w.gaps) do
    if gap[1] > heard then idle = idle - gap[2] end
  end
  return idle
end

local function expire_leases(k, b, now, w, lease, limit)
  local expired, seen = 0, 0
  for _, pair in ipairs(lanes_of(k)) do
    if seen < limit then
      local entries = pending(pair[2], 'IDLE', text_of(lease), '-', '+', limit - seen)
      seen = seen + #entries
      each(k, entries, function(entry)
        if silence(w, now, entry[3]) < lease then return end
        expired = expired + 1
        local message = 'the lease expired on ' .. string.match(entry[2], '^[^.]*')
        take_back(k, b, now, pair[2], pair[1], entry[1], entry[2], message, lost_error(message))
      end)
    end
  end
  return expired
end

local function fail_overdue(k, b, now, limit)
  local due = redis.call('ZRANGEBYSCORE', k.waits, '-inf', now, 'LIMIT', 0, limit)
  each(k, due, function(id)
    redis.call('ZREM', k.waits, id)
    local r = load(k, id)
    if r and r.status == 'queued' and r.at and load_more(k, id, r).attempt == 0 then
      local letter, eid = string.match(r.at, '^(%a):(.+)$')
      local key = lane(k, letter, r.target or '')
      if not holder(key, eid) then
        local message = 'no actor took it within its queue timeout'
        local detail = cjson.encode({ kind = 'queue_timeout', message = message })
        drop(b, key, eid)
        finish(k, b, now, id, r, 'failed', 0, '', '', 'error', detail, 'error', message, 'error_detail', detail)
      end
    end
  end)
  return #due
end

-- hero_tick q | lease_ms limit: one round of upkeep. Answers with 1 while there is more to do.
freeing('hero_tick', function(keys, args)
  local k, now = queue(keys[1]), now_ms()
  local b = batch(now)
  local lease, limit = tonumber(args[1]), tonumber(args[2])
  local promoted = promote(k, now, limit)
  local expired = expire_leases(k, b, now, watch_clock(k, now, lease, limit), lease, limit)
  local overdue = fail_overdue(k, b, now, limit)
  flush(k, b)
  if promoted >= limit or expired >= limit or overdue >= limit then return 1 end
  return 0
end)

local function forget(k, ids)
  if #ids == 0 then return end
  local records = {}
  for i, id in ipairs(ids) do records[2 * i - 1], records[2 * i] = k.rec .. id, k.log .. id end
  redis.call('UNLINK', unpack(records))
  redis.call('ZREM', k.jobs, unpack(ids))
  redis.call('ZREM', k.done, unpack(ids))
end

-- hero_trim q | kept limit: removes ended jobs that are too old or too many. Answers with 1 while there is more to do.
freeing('hero_trim', function(keys, args)
  local k, now = queue(keys[1]), now_ms()
  local limit = tonumber(args[2])
  local old = redis.call('ZRANGEBYSCORE', k.done, '-inf', now, 'LIMIT', 0, limit)
  forget(k, old)
  local excess = math.min(redis.call('ZCARD', k.done) - tonumber(args[1]), limit)
  if excess > 0 then forget(k, redis.call('ZRANGE', k.done, 0, excess - 1)) end
  if #old >= limit or excess >= limit then return 1 end
  return 0
end)

-- hero_tidy q | idle_ms: drops consumers of processes that are long gone, and forgets inboxes that are empty.
freeing('hero_tidy', function(keys, args)
  local k, idle, dropped = queue(keys[1]), tonumber(args[1]), 0
  local streams = { k.q, k.front }
  for _, actor in ipairs(actor_ids(k)) do streams[#streams + 1] = inbox(k, actor) end
  for _, key in ipairs(streams) do
    local consumers = redis.pcall('XINFO', 'CONSUMERS', key, GROUP)
    if not consumers.err then
      for _, consumer in ipairs(consumers) do
        if get(consumer, 'pending') == 0 and get(consumer, 'idle') > idle then
          redis.call('XGROUP', 'DELCONSUMER', key, GROUP, get(consumer, 'name'))
          dropped = dropped + 1
        end
      end
    end
  end
  for _, actor in ipairs(absent_actors(k)) do
    if redis.call('XLEN', inbox(k, actor)) == 0 then redis.call('SREM', k.boxes, actor) end
  end
  return dropped
end)

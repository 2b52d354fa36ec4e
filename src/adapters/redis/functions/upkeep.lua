local function promote(k, now, limit)
  local due = redis.call('ZRANGEBYSCORE', k.delayed, '-inf', now, 'LIMIT', 0, limit)
  for _, id in ipairs(due) do
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
  end
  return #due
end

local function expire_leases(k, b, now, lease, limit)
  local lanes = { { 'f', k.front }, { 'q', k.q } }
  for _, actor in ipairs(actor_ids(k)) do lanes[#lanes + 1] = { 'i', inbox(k, actor) } end
  local seen = 0
  for _, pair in ipairs(lanes) do
    if seen < limit then
      local entries = pending(pair[2], 'IDLE', lease, '-', '+', limit - seen)
      seen = seen + #entries
      for _, entry in ipairs(entries) do
        local message = 'the lease expired on ' .. string.match(entry[2], '^[^.]*')
        take_back(k, b, now, pair[2], pair[1], entry[1], entry[2], message, lost_error(message))
      end
    end
  end
  return seen
end

local function fail_overdue(k, b, now, limit)
  local due = redis.call('ZRANGEBYSCORE', k.waits, '-inf', now, 'LIMIT', 0, limit)
  for _, id in ipairs(due) do
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
  end
  return #due
end

-- hero_tick q | lease_ms limit: one round of upkeep. Answers with 1 while there is more to do.
freeing('hero_tick', function(keys, args)
  local k, now = queue(keys[1]), now_ms()
  local b = batch(now)
  local limit = tonumber(args[2])
  local promoted = promote(k, now, limit)
  local expired = expire_leases(k, b, now, args[1], limit)
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

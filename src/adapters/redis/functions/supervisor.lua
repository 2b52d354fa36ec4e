-- hero_cancel q | id reason: ends a job as cancelled. Answers {changed, fields}; nil when there is no such job.
freeing('hero_cancel', function(keys, args)
  local k, now, id = queue(keys[1]), now_ms(), args[1]
  local b = batch(now)
  local r = load(k, id)
  if not r then return nil end
  if ended(r.status) then return { 0, basic(k, id) } end
  load_more(k, id, r)
  local started, actor, attempt = '', '', r.attempt
  if r.status == 'scheduled' or r.status == 'retry_wait' then
    redis.call('ZREM', k.delayed, id)
  elseif r.at then
    local letter, eid = string.match(r.at, '^(%a):(.+)$')
    local key = lane(k, letter, r.target or '')
    local consumer = holder(key, eid)
    if consumer then
      local entry = read_entry(key, eid)
      actor = string.match(consumer, '^[^.]*')
      attempt = tonumber(entry and get(entry, 'attempt')) or attempt
      -- A hint for the actor; its heartbeat tells it as well.
      tell(k, actor, 'x', 'cancel', 'for', consumer, 'lease', r.at, 'job', id)
    end
    redis.call('XACK', key, GROUP, eid)
    drop(b, key, eid)
  end
  if actor == '' and attempt > 0 then actor = redis.call('HGET', k.rec .. id, 'actor_id') or '' end
  if attempt > 0 and r.started then started = r.started end
  finish(k, b, now, id, r, 'cancelled', attempt, actor, started, 'reason', args[2], 'cancel_reason', args[2])
  flush(k, b)
  return { 1, basic(k, id) }
end)

-- hero_delete q | id: removes the record of an ended job. Answers gone, or the state that forbids it; nil when unknown.
freeing('hero_delete', function(keys, args)
  local k = queue(keys[1])
  local r = redis.call('HMGET', k.rec .. args[1], 'status', 'kind', 'caller_id', 'attempt', 'actor_id')
  local status = r[1]
  if not status then return nil end
  if not ended(status) then return status end
  if r[2] ~= 'ping' then add_event(k, args[1], 'deleted', r[4] or 0, r[5] or '', status, r[3]) end
  redis.call('UNLINK', k.rec .. args[1], k.log .. args[1])
  redis.call('ZREM', k.jobs, args[1])
  redis.call('ZREM', k.done, args[1])
  return 'gone'
end)

-- hero_reclaim q | actor pid message detail limit: takes back what a dead process had, and its
-- announcement. Answers {retried, failed, more}.
freeing('hero_reclaim', function(keys, args)
  local k, now = queue(keys[1]), now_ms()
  local b = batch(now)
  local prefix, limit = args[1] .. '.' .. args[2] .. '.', tonumber(args[5])
  local count, seen = { retried = 0, failed = 0 }, 0
  local lanes = { { 'f', k.front }, { 'q', k.q }, { 'i', inbox(k, args[1]) } }
  for _, pair in ipairs(lanes) do
    local letter, key = pair[1], pair[2]
    local consumers = redis.pcall('XINFO', 'CONSUMERS', key, GROUP)
    if not consumers.err then
      for _, consumer in ipairs(consumers) do
        local name = get(consumer, 'name')
        if string.sub(name, 1, #prefix) == prefix and seen < limit then
          local entries = pending(key, '-', '+', limit - seen, name)
          seen = seen + #entries
          for _, entry in ipairs(entries) do
            local what = take_back(k, b, now, key, letter, entry[1], name, args[3], args[4])
            if what then count[what] = count[what] + 1 end
          end
          if seen < limit then redis.call('XGROUP', 'DELCONSUMER', key, GROUP, name) end
        end
      end
    end
  end
  local presence = redis.call('HGET', k.actors, args[1])
  if presence and string.sub(cjson.decode(presence).consumer, 1, #prefix) == prefix then
    redis.call('HDEL', k.actors, args[1])
  end
  flush(k, b)
  return { count.retried, count.failed, seen >= limit and 1 or 0 }
end)

local COUNTED = 500 -- entries of one inbox that are looked at; a longer one is counted as if it held jobs only

-- Jobs in an inbox: waiting, and held by each consumer. Pings are left out.
local function count_inbox(key, held)
  local length = redis.call('XLEN', key)
  if length == 0 then return 0, 0 end
  local taken = {}
  for _, entry in ipairs(pending(key, '-', '+', COUNTED)) do taken[entry[1]] = entry[2] end
  if length > COUNTED then
    local all = tonumber(pending(key)[1]) or 0
    return length - all, all
  end
  local waits, runs = 0, 0
  for _, entry in ipairs(redis.call('XRANGE', key, '-', '+', 'COUNT', COUNTED)) do
    local consumer = taken[entry[1]]
    if get(entry[2], 'id') and get(entry[2], 'kind') ~= 'ping' then
      if consumer then
        runs = runs + 1
        if held then held[consumer] = (held[consumer] or 0) + 1 end
      else
        waits = waits + 1
      end
    end
  end
  return waits, runs
end

local function depth_of(k)
  local queued, running = 0, 0
  for _, key in ipairs({ k.q, k.front }) do
    local held = tonumber(pending(key)[1]) or 0
    queued = queued + redis.call('XLEN', key) - held
    running = running + held
  end
  for _, actor in ipairs(actor_ids(k)) do
    local waits, runs = count_inbox(inbox(k, actor), nil)
    queued, running = queued + waits, running + runs
  end
  local away = 0
  for _, actor in ipairs(absent_actors(k)) do
    local waits, runs = count_inbox(inbox(k, actor), nil)
    away, running = away + waits, running + runs
  end
  return { queued + away, running, redis.call('ZCARD', k.delayed), away }
end

-- hero_depth q: {queued, running, delayed, queued for actors that are not there}
reading('hero_depth', function(keys) return depth_of(queue(keys[1])) end)

-- hero_presences q: per actor its id, its announcement as JSON and the number of jobs that this process holds.
reading('hero_presences', function(keys)
  local k, held, answer = queue(keys[1]), {}, {}
  local all = redis.call('HGETALL', k.actors)
  for _, key in ipairs({ k.q, k.front }) do
    local summary = pending(key)
    for _, pair in ipairs(summary[4] or {}) do held[pair[1]] = (held[pair[1]] or 0) + tonumber(pair[2]) end
  end
  for i = 1, #all, 2 do
    count_inbox(inbox(k, all[i]), held)
    local consumer = cjson.decode(all[i + 1]).consumer
    answer[#answer + 1] = all[i]
    answer[#answer + 1] = all[i + 1]
    answer[#answer + 1] = held[consumer] or 0
  end
  return answer
end)

local function lose(k, b, now, id, r, attempt, actor)
  local message = 'actor ' .. actor .. ' was removed'
  local detail = lost_error(message)
  finish(k, b, now, id, r, 'failed', attempt, actor, r.started or '', 'error', detail, 'error', message,
    'error_detail', detail)
  if not r.ping then bury(k, id, attempt, actor, message) end
end

-- hero_forget_delayed q | actor cursor limit: fails what waits for its time, among the next ones, and is for this actor
-- only. Answers with the cursor of the next call, 0 at the end.
freeing('hero_forget_delayed', function(keys, args)
  local k, now, actor = queue(keys[1]), now_ms(), args[1]
  local b = batch(now)
  local found = redis.call('ZSCAN', k.delayed, args[2], 'COUNT', args[3])
  for i = 1, #found[2], 2 do
    local id = found[2][i]
    if redis.call('HGET', k.rec .. id, 'target_actor') == actor then
      local r = load(k, id)
      redis.call('ZREM', k.delayed, id)
      if r and (r.status == 'scheduled' or r.status == 'retry_wait') then
        load_more(k, id, r)
        lose(k, b, now, id, r, r.attempt, actor)
      end
    end
  end
  flush(k, b)
  return found[1]
end)

-- hero_forget q | actor limit: fails what waits in the inbox and forgets the actor. Answers with 1 while there is more.
freeing('hero_forget', function(keys, args)
  local k, now, actor = queue(keys[1]), now_ms(), args[1]
  local b = batch(now)
  local key, limit = inbox(k, actor), tonumber(args[2])
  local entries = redis.call('XRANGE', key, '-', '+', 'COUNT', limit)
  for _, entry in ipairs(entries) do
    local eid, id = entry[1], get(entry[2], 'id')
    local r = id and load(k, id)
    if r and r.at == 'i:' .. eid and not ended(r.status) then
      load_more(k, id, r)
      lose(k, b, now, id, r, holder(key, eid) and tonumber(get(entry[2], 'attempt')) or r.attempt, actor)
    end
    redis.call('XACK', key, GROUP, eid)
    drop(b, key, eid)
  end
  flush(k, b)
  if #entries == limit then return 1 end
  redis.call('UNLINK', key, control(k, actor))
  redis.call('HDEL', k.actors, actor)
  redis.call('SREM', k.boxes, actor)
  return 0
end)

-- hero_drain q | actor resume_ms: asks the process that announced itself as this actor to take no new job.
freeing('hero_drain', function(keys, args)
  local k = queue(keys[1])
  local presence = redis.call('HGET', k.actors, args[1])
  if not presence then return 0 end
  tell(k, args[1], 'x', 'drain', 'for', cjson.decode(presence).consumer, 'until', now_ms() + tonumber(args[2]))
  return 1
end)

-- hero_put hash | id json generation: writes a record if the stored one has this generation; '' stands for none.
-- Answers 1, or the stored record; nil when there is none though there should be.
freeing('hero_put', function(keys, args)
  local stored = redis.call('HGET', keys[1], args[1])
  if args[3] == '' then
    if stored then return stored end
  else
    if not stored then return nil end
    if cjson.decode(stored).generation ~= tonumber(args[3]) then return stored end
  end
  redis.call('HSET', keys[1], args[1], args[2])
  return 1
end)

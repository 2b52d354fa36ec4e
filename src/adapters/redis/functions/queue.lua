-- The number in `pause` grows with every change and is odd while the queue is paused, so that an actor which hears of
-- two changes in the wrong order knows which one holds.

local function pause_number(k)
  return tonumber(redis.call('HGET', k.pause, 'n')) or 0
end

local function set_pause(k, number, reason)
  redis.call('HSET', k.pause, 'n', number, 'since', now_ms(), 'reason', reason)
  local all = redis.call('HGETALL', k.actors)
  for i = 1, #all, 2 do
    tell(k, all[i], 'x', 'pause', 'for', cjson.decode(all[i + 1]).consumer, 'n', number)
  end
end

-- hero_pause q | reason: from now on no job of this type is handed out. Answers 1, or 0 when it was so already.
freeing('hero_pause', function(keys, args)
  local k = queue(keys[1])
  local number = pause_number(k)
  if number % 2 == 1 then return 0 end
  set_pause(k, number + 1, args[1])
  return 1
end)

-- hero_resume q: the opposite.
freeing('hero_resume', function(keys)
  local k = queue(keys[1])
  local number = pause_number(k)
  if number % 2 == 0 then return 0 end
  set_pause(k, number + 1, '')
  return 1
end)

local PINGS = 4 -- pings of one inbox that are passed over

-- When the oldest job that waits in these streams was added; -1 when none does.
local function oldest(streams)
  local found = -1
  for _, key in ipairs(streams) do
    local after = last_delivered(key)
    for _, entry in ipairs(redis.call('XRANGE', key, after and '(' .. after or '-', '+', 'COUNT', PINGS)) do
      if get(entry[2], 'kind') ~= 'ping' then
        local millis = tonumber(string.match(get(entry[2], 'order') or entry[1], '^(%d+)')) or -1
        if found < 0 or millis < found then found = millis end
        break
      end
    end
  end
  return found
end

-- hero_queue q: {now, queued, running, delayed, oldest that any actor may take, pause number, since, reason, submitted,
-- finished, queued for actors that are not there, oldest of all, malformed, damaged}
reading('hero_queue', function(keys)
  local k = queue(keys[1])
  local depth, inboxes = depth_of(k), {}
  for _, actor in ipairs(actor_ids(k)) do inboxes[#inboxes + 1] = inbox(k, actor) end
  for _, actor in ipairs(absent_actors(k)) do inboxes[#inboxes + 1] = inbox(k, actor) end
  local common, pinned = oldest({ k.q, k.front }), oldest(inboxes)
  local any = common
  if pinned >= 0 and (any < 0 or pinned < any) then any = pinned end
  local pause = redis.call('HMGET', k.pause, 'since', 'reason')
  local counts = redis.call('HMGET', k.counts, 'submitted', 'finished', 'malformed', 'damaged')
  return {
    now_ms(), depth[1], depth[2], depth[3], common, pause_number(k), pause[1] or '0', pause[2] or '',
    counts[1] or '0', counts[2] or '0', depth[4], any,
    counts[3] or '0', counts[4] or '0',
  }
end)

-- hero_purge q | mode limit most reason after score state …: counts the jobs in these states that nobody has in hand
-- among the next `limit` ones behind job `after` (accepted at `score`), and cancels at most `most` of them if mode is
-- cancel. Answers {count, last id, its score, 1 while there are more}.
freeing('hero_purge', function(keys, args)
  local k, now = queue(keys[1]), now_ms()
  local b = batch(now)
  local cancel, limit, most, reason = args[1] == 'cancel', tonumber(args[2]), tonumber(args[3]), args[4]
  local after, score, wanted = args[5], args[6], {}
  for i = 7, #args do wanted[args[i]] = true end
  local start = 0
  if after ~= '' then
    local rank = redis.call('ZRANK', k.jobs, after)
    start = rank and rank + 1 or redis.call('ZCOUNT', k.jobs, '-inf', '(' .. score)
  end
  local ids, count = redis.call('ZRANGE', k.jobs, start, start + limit - 1), 0
  for _, id in ipairs(ids) do
    if count == most then break end
    local r = load(k, id)
    if r and wanted[r.status] then
      load_more(k, id, r)
      local key, eid = nil, nil
      if r.status == 'queued' then
        local letter, entry = string.match(r.at or '', '^(%a):(.+)$')
        if letter then key, eid = lane(k, letter, r.target or ''), entry end
      end
      if not (key and holder(key, eid)) then
        count = count + 1
        if cancel then
          if key then drop(b, key, eid) else redis.call('ZREM', k.delayed, id) end
          local actor = r.attempt > 0 and redis.call('HGET', k.rec .. id, 'actor_id') or ''
          finish(k, b, now, id, r, 'cancelled', r.attempt, actor, r.attempt > 0 and r.started or '', 'reason', reason,
            'cancel_reason', reason)
        end
      end
    end
  end
  flush(k, b)
  local last = ids[#ids]
  if not last or count == most then return { count, '', '', 0 } end
  return { count, last, redis.call('ZSCORE', k.jobs, last) or score, #ids == limit and 1 or 0 }
end)

-- hero_retry q | id reset: puts a job that failed or was cancelled into its queue once more. Answers its fields, or the
-- state that forbids it; nil when there is no such job.
redis.register_function('hero_retry', function(keys, args)
  local k, now, id = queue(keys[1]), now_ms(), args[1]
  local rec = k.rec .. id
  local r = redis.call('HMGET', rec, 'status', 'kind', 'target_actor', 'attempt', 'retries', 'caller_id', 'actor_id',
    'queue_timeout', 'error_detail', 'started_at', 'finished_at')
  if not r[1] then return nil end
  if r[2] == 'ping' or (r[1] ~= 'failed' and r[1] ~= 'cancelled') then return r[1] end
  local used, retries = tonumber(r[4]) or 0, tonumber(r[5]) or 0
  redis.call('PERSIST', rec)
  redis.call('ZREM', k.done, id)
  redis.call('HDEL', rec, 'output', 'result_kind', 'error', 'error_detail', 'cancel_reason', 'finished_at',
    'started_at', 'due_at', 'free', 'wait_until')
  if args[2] == '1' then
    used = 0
    -- Attempts count anew, and what is said in them, too: the new words would pass for repeats of the old ones.
    redis.call('UNLINK', k.log .. id)
    redis.call('HDEL', rec, 'progress', 'log_bytes', 'attempts')
  else
    if used > retries then redis.call('HSET', rec, 'retries', used) end
    if used > 0 then remember(k, id, tonumber(r[11]) or now, used, r[7] or '', r[10], r[1], r[1] == 'failed' and r[9] or '') end
  end
  local at
  if r[3] and r[3] ~= '' then
    at = 'i:' .. add_pinned(k, r[3], 'attempt', used + 1, 'id', id)
  else
    at = 'q:' .. redis.call('XADD', k.q, '*', 'attempt', used + 1, 'id', id)
  end
  redis.call('HSET', rec, 'status', 'queued', 'at', at, 'attempt', used, 'updated_at', now)
  if used == 0 and r[8] then
    local wait_until = now + tonumber(r[8])
    redis.call('ZADD', k.waits, wait_until, id)
    redis.call('HSET', rec, 'wait_until', wait_until)
  end
  add_event(k, id, 'queued', used, r[7] or '', r[1], r[6])
  notify(k, id)
  return basic(k, id)
end)

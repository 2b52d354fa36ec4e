-- Unique keys: at most one job of a key at a time in its queue.
--
-- The record of such a job has the field `unique`: `HELD AFTER_MS ON_CONFLICT KEY`. KEY also says which callers share it.
-- `hero:{Q}:unique:KEY` is a hash: `holder`, the last job that has taken the key, and `next`, the job that waits for its end. That one
-- is `blocked`: a delayed job without a time, so that all that counts, cancels or purges delayed jobs finds it. Its record names the
-- holder as `blocked_by`, and the record of the holder names it as `unblocks`. The records are the truth: a key that is behind them,
-- because a user of Redis of an older version may not touch it, is read right all the same.
--
-- A job that is cancelled while an actor has it has ended, and its script may run until the actor hears of it: a lease at most. Until
-- then, or until the actor lets go of it by trying to finish it, the next job of its key waits. The field `stops` has the end of
-- that time and the place at which the actor has the job.

local LEASE = 15000     -- milliseconds of a lease until a round of maintenance has noted how long it is
local FORGOTTEN = 100   -- blocked jobs that one sweep looks at

local function key_of(queue, name)
  return queue.base .. 'unique:' .. name
end

-- The field `unique` as a table.
function unique.parse(text)
  local held, after, mode, name = string.match(text, '^(%a+) (%d+) ([%a_]+) (.+)$')
  if not held then error('the field unique is damaged: ' .. text, 0) end
  return { held = held, after = tonumber(after), mode = mode, name = name }
end

-- What is needed of a job of a key; nil when there is no such job.
local function read_job(queue, id)
  local key = queue.record .. id
  local values = redis.call('HMGET', key, 'status', 'at', 'target_actor', 'unique', 'finished_at', 'stops', 'blocked_by')
  if not values[1] then return nil end
  return {
    id = id, key = key, status = values[1], place = values[2], target = values[3], rule = unique.parse(values[4] or ''),
    finished = tonumber(values[5]) or 0, stops = tonumber(string.match(values[6] or '', '^%d+')) or 0, blocked_by = values[7],
  }
end

-- How a job holds its key: waits, begun, stopping or ended; nil when it does not any more.
local function state_of(queue, job, now)
  if has_ended(job.status) then
    if job.stops > now then return 'stopping' end
    return job.status ~= 'cancelled' and now < job.finished + job.rule.after and 'ended' or nil
  end
  local begun = job.status == 'running' or (job.status == 'queued' and job.place and holder_of_job(queue, job))
  return begun and 'begun' or 'waits'
end

-- Who holds a key: {holder, state, next}; nil when nobody does.
local function standing(queue, name, now)
  local values = redis.call('HMGET', key_of(queue, name), 'holder', 'next')
  local holder, follower = values[1] and read_job(queue, values[1]), values[2] and read_job(queue, values[2])
  if follower and has_ended(follower.status) then follower = nil end
  if follower and (not holder or has_ended(holder.status) or follower.status ~= 'blocked') then
    holder, follower = follower, nil
  end
  local state = holder and state_of(queue, holder, now)
  return state and { holder = holder, state = state, next = follower or nil } or nil
end

-- The decision about a new job whose key is held, as `decide` in Rust: an answer, or a plan with the jobs that it `replaces`, the last
-- one first, the one that it `cancels`, and the one that it is `behind`.
local function conflict(rule, again, held)
  local holder, mode = held.holder, rule.mode
  if held.state == 'ended' then
    if again == holder.id then return nil, {} end
    return { mode == 'return_existing' and 'existing' or 'held', holder.id }
  end
  if held.state == 'stopping' then return nil, { behind = holder.id } end
  local begun, waits = held.state == 'begun', { held.next }
  if not begun then
    waits[#waits + 1] = holder
  elseif not held.next and rule.held == 'queued' and holder.rule.held == 'queued' then
    return nil, {}
  end
  local behind = begun and holder.id or nil
  if mode == 'return_existing' then return { 'existing', holder.id } end
  if mode == 'replace' and waits[1] then return nil, { replaces = waits, behind = behind } end
  if mode == 'run_once_more' then
    if waits[1] then return { 'existing', waits[1].id } end
    return nil, { behind = behind }
  end
  if mode == 'cancel_running' then return nil, { replaces = waits, cancels = behind, behind = behind } end
  return { 'held', holder.id }
end

-- Decides about a new job with this field `unique`, which perhaps runs the job `again` once more: answers with the answer to it, or
-- nil and a plan.
function unique.decide(queue, text, again, now)
  local rule = unique.parse(text)
  local held = standing(queue, rule.name, now)
  if not held then return nil, {} end
  local answer, plan = conflict(rule, again, held)
  if answer and answer[1] == 'held' then
    answer[3] = held.state == 'begun' and 'running' or held.holder.status
    return answer
  end
  local replaced = plan and plan.replaces and plan.replaces[#plan.replaces]
  if replaced and replaced.status == 'blocked' then plan.behind = plan.behind or replaced.blocked_by end
  return answer, plan
end

-- The answer to a retry of a job whose key another one holds; nil for another retry.
function unique.refusal_of_retry(queue, job, now)
  local held = standing(queue, unique.parse(job.unique).name, now)
  if not held or held.holder.id == job.id then return nil end
  if held.state == 'stopping' then return { 'held', held.holder.id, 'running' } end
  return { 'held', held.holder.id, held.holder.status }
end

-- How long an actor may run the script of a job after its cancel.
function unique.time_to_stop(queue)
  return tonumber(redis.call('HGET', queue.clock, 'lease')) or LEASE
end

-- Gives a key to a job, which perhaps waits behind another one of the key.
function unique.take(queue, id, text, behind)
  local key = key_of(queue, unique.parse(text).name)
  -- It may have a time to live.
  redis.call('DEL', key)
  redis.call('HSET', key, 'holder', behind or id)
  if behind then
    redis.call('HSET', key, 'next', id)
    redis.call('HSET', queue.record .. behind, 'unblocks', id)
  end
end

-- Takes back that a job has taken its key.
function unique.retract(queue, id, text, behind)
  local key = key_of(queue, unique.parse(text).name)
  if not behind then return redis.call('DEL', key) end
  redis.call('HDEL', key, 'next')
  redis.call('HDEL', queue.record .. behind, 'unblocks')
end

-- The time until which the actor of this job may run its script, in milliseconds; 0 for a job that was not cancelled while it ran.
function unique.stops_until(job)
  return tonumber(string.match(redis.call('HGET', job.key, 'stops') or '', '^%d+')) or 0
end

-- The score of a blocked job among the delayed ones: the time until which the job before it stops, or none while that has not ended;
-- nil if there is nothing to wait for.
function unique.score_behind(queue, behind)
  local values = redis.call('HMGET', queue.record .. behind, 'status', 'stops')
  if not values[1] then return nil end
  return not has_ended(values[1]) and 'inf' or string.match(values[2] or '', '^%d+')
end

-- Notes that a job is not blocked any more.
function unique.unblock(queue, id, text, behind)
  redis.call('HDEL', queue.record .. id, 'blocked_by')
  local key = key_of(queue, unique.parse(text).name)
  local values = redis.call('HMGET', key, 'holder', 'next')
  if values[1] ~= behind or values[2] ~= id then return end
  redis.call('HSET', key, 'holder', id)
  redis.call('HDEL', key, 'next')
end

-- Lets a job go on that waited for the end of `holder`.
local function release(batch, id, holder)
  local queue = batch.queue
  local values = redis.call('HMGET', queue.record .. id, 'status', 'blocked_by', 'target_actor')
  if values[1] ~= 'blocked' or values[2] ~= holder then return end
  -- An actor may not note the inbox of another one: that is left to the next round of maintenance.
  if values[3] then return redis.call('ZADD', queue.delayed, batch.now_text, id) end
  promote_for_all(batch, id)
end

-- What is left of a key that its holder gives away.
local function leave_key(batch, job, rule, state, follower)
  local queue = batch.queue
  local key = key_of(queue, rule.name)
  local is_holder = redis.call('HGET', key, 'holder') == job.id
  if job.stops_for then
    local until_ms = text_of(batch.now + job.stops_for)
    redis.call('HSET', job.key, 'stops', until_ms .. ' ' .. job.place)
    if follower then return redis.call('ZADD', queue.delayed, until_ms, follower) end
    return is_holder and redis.call('PEXPIRE', key, job.stops_for)
  end
  if follower then return release(batch, follower, job.id) end
  if not is_holder then return end
  if rule.after > 0 and state ~= 'cancelled' then return redis.call('PEXPIRE', key, rule.after) end
  local stops = unique.stops_until(job)
  if stops > batch.now then return redis.call('PEXPIRE', key, stops - batch.now) end
  redis.call('DEL', key)
end

-- Ends the wait of a blocked job that has ended itself.
local function leave_line(queue, job, rule, behind)
  redis.call('HDEL', queue.record .. behind, 'unblocks')
  local key = key_of(queue, rule.name)
  local values = redis.call('HMGET', key, 'holder', 'next')
  if values[2] ~= job.id then return end
  redis.call('HDEL', key, 'next')
  if unique.score_behind(queue, behind) ~= 'inf' then redis.call('PEXPIRE', key, unique.time_to_stop(queue)) end
end

-- Takes its key from a job that has ended in this state.
local function leave(batch, job, state)
  local rule = unique.parse(job.unique)
  local values = redis.call('HMGET', job.key, 'unblocks', 'blocked_by')
  if values[2] and values[2] ~= job.id then return leave_line(batch.queue, job, rule, values[2]) end
  leave_key(batch, job, rule, state, values[1])
end

-- The same for the end of a job, which a damaged key must not prevent. A job that would be released now is released by a sweep then.
function unique.ended(batch, job, state)
  local ok, problem = pcall(leave, batch, job, state)
  if not ok then note_damage(batch.queue, problem) end
end

-- Notes that an actor does not run a job any more that was cancelled while it had it at this place.
local function let_go(batch, job, place)
  local queue = batch.queue
  local values = redis.call('HMGET', job.key, 'stops', 'unblocks')
  if not values[1] or string.match(values[1], '^%d+ (.+)$') ~= place then return end
  redis.call('HDEL', job.key, 'stops')
  if values[2] then return release(batch, values[2], job.id) end
  if job.status == 'blocked' then return release(batch, job.id, job.id) end
  local key = key_of(queue, unique.parse(job.unique).name)
  if has_ended(job.status) and redis.call('HGET', key, 'holder') == job.id then redis.call('DEL', key) end
end

function unique.let_go(batch, job, place)
  local ok, problem = pcall(let_go, batch, job, place)
  if not ok then note_damage(batch.queue, problem) end
end

-- Lets blocked jobs go on that wait for a job which has ended or is gone: somebody has removed keys. Looks at some of them.
function unique.release_forgotten(batch)
  local queue = batch.queue
  local count = redis.call('ZCOUNT', queue.delayed, 'inf', 'inf')
  if count == 0 then return end
  local first = count > FORGOTTEN and batch.now % count or 0
  local ids = redis.call('ZRANGEBYSCORE', queue.delayed, 'inf', 'inf', 'LIMIT', first, FORGOTTEN)
  for_each(queue, ids, function(id)
    local holder = redis.call('HGET', queue.record .. id, 'blocked_by')
    local status = holder and redis.call('HGET', queue.record .. holder, 'status')
    if holder and (not status or has_ended(status)) then release(batch, id, holder) end
  end)
end

-- hero_let_go q | actor, per job: lane entry id: the actor does not run these jobs any more, whose leases are void. Answers 1.
freeing('hero_let_go', function(keys, args)
  local batch, actor = open_batch(keys[1]), args[1]
  for i = 2, #args, 3 do
    local lease = parse_lease(batch.queue, actor, args, i)
    local ok, job = pcall(load_job, batch.queue, lease.id)
    if ok and job and has_flow then flow.let_go(batch.queue, job) end
    if ok and job and job.unique then unique.let_go(batch, job, lease.place) end
  end
  close_batch(batch)
  return 1
end)

-- hero_holders q | key: the jobs of a unique key, the one that holds it first.
reading('hero_holders', function(keys, args)
  local queue = queue_of(keys[1])
  local held, ids = standing(queue, args[1], now_ms()), {}
  if held then ids[1] = held.holder.id end
  if held and held.next then ids[2] = held.next.id end
  return ids
end)

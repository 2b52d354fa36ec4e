-- Flow by key: how many jobs of one key may run, and how much of a queue's actors the keys get.
--
-- While the hash `flow` of a queue is missing, which has its rules, nothing of this file runs. From then on every job that any actor
-- may take waits in the backlog (`flow-backlog` in place of `backlog`), and here a second time by its key. The window at the front is
-- filled from the key whose turn it is: the one with the least time in `flow-ready`, a virtual clock that goes on by COST / weight
-- with each job of a key. Within a key the least rank comes first, as in the backlog.
--
-- `flow-waiting` has `KEY NUL RANK ID` of each job that waits, `flow-busy` has `KEY NUL STATE ID` of each that is at the front or that an
-- actor has: q queued, r running, s cancelled while an actor runs it. Both have the score 0, so that the members of one key stand
-- together. A job is in `flow-busy` once, however often it is given back: nothing is counted up and down. `flow-ready` has every key that
-- has a job and may give it, and perhaps others, which are dropped when it is their turn. `flow-idle` has the times of keys that
-- are not there, `flow-later` what is looked at when its time has come. The records are the truth: rounds of maintenance put right
-- what differs from them.
--
-- A key with a rate has a field `tat:KEY` in `flow`: the theoretical time of its next job by the generic cell rate algorithm (ITU-T
-- I.371, Annex A), milliseconds with a fraction. A job moves it on when an actor has begun it. Those at the front, and those that are
-- taken and not begun, count as if they began now: so neither what is given out nor what begins is ever more than the rate allows.

local COST = 1000000      -- the virtual time of a job of weight 1
local ARRIVAL = 1000      -- the virtual time between two keys that come one after the other
local FIRST_RANK = 1e14   -- jobs that have begun have lower ranks: milliseconds instead of microseconds
local END_OF_KEY = '\1'   -- stands behind all members of a key, which have NUL there
local PASSED_OVER = 200   -- keys and jobs that cannot be given out and that one call passes over
local SHOWN = 5           -- jobs that hold up a key and are told
local HELD_PAGE = 200     -- keys that one count of held jobs looks at

local decoded = {}        -- base of a queue to the text of its rules, and what it stands for
local decoded_count = 0
local current             -- rules and clock of the queue of this call

-- The rules of a queue as they were decoded before, or now.
local function decode_rules(queue, text)
  local before = decoded[queue.base]
  if before and before.text == text then return before.rules end
  if not before then
    if decoded_count >= QUEUES_KNOWN then decoded, decoded_count = {}, 0 end
    decoded_count = decoded_count + 1
  end
  local rules = decode_table(text) or {}
  decoded[queue.base] = { text = text, rules = rules }
  return rules
end

-- The rules and the virtual time of the queue of this call.
local function open_flow(queue)
  if current and current.call == call_number and current.base == queue.base then return current end
  local values = redis.call('HMGET', queue.flow, 'rules', 'time')
  current = {
    call = call_number, base = queue.base, rules = decode_rules(queue, values[1] or ''), time = tonumber(values[2]) or 0,
  }
  return current
end

local NO_RULE = {}

-- The rule of a key: w its weight, r the most jobs that run, q the most that wait, p the time in milliseconds until which it is
-- paused, 0 for ever; i the milliseconds between two jobs of its rate, b the most of them at once.
local function rule_of(state, key)
  local keys = state.rules.keys
  return type(keys) == 'table' and keys[key] or state.rules.others or NO_RULE
end

-- The least and the largest member that a key can have.
local function bounds_of(key)
  return '[' .. key .. '\0', '(' .. key .. END_OF_KEY
end

local function waiting_member(key, id, rank)
  return key .. '\0' .. string.format('%016.0f', tonumber(rank)) .. id
end

-- The key of a member, and what stands behind it.
local function split_member(member)
  return string.match(member, '^(%Z*)%z(.*)$')
end

local function count_busy(queue, key)
  return redis.call('ZLEXCOUNT', queue.flow_busy, bounds_of(key))
end

-- The time in milliseconds with a fraction.
local function exact_now()
  local time = redis.call('TIME')
  return time[1] * 1000 + time[2] / 1000
end

-- The theoretical time of the next job of a key with a rate, and the time. One that is further ahead than a whole burst is of a clock
-- that has stepped back, or of another rate: then the third answer is true.
local function next_of_rate(queue, rule, key)
  local now = exact_now()
  local stored, latest = tonumber(redis.call('HGET', queue.flow, 'tat:' .. key)) or 0, now + rule.b * rule.i
  return math.max(math.min(stored, latest), now), now, stored > latest + 1
end

local function store_next(queue, key, next)
  redis.call('HSET', queue.flow, 'tat:' .. key, string.format('%.3f', next))
  redis.call('ZADD', queue.flow_later, text_of(math.ceil(next)), 't' .. key)
end

-- The time at which a key with a rate gives its next job, and the time; nil if it may now. The third answer is true if it may
-- then without one of those beginning that are given out.
local function opening_of(queue, rule, key)
  local next, now, is_ahead = next_of_rate(queue, rule, key)
  local out = redis.call('ZLEXCOUNT', queue.flow_busy, '[' .. key .. '\0q', '(' .. key .. '\0r')
  local opens = next + (out + 1 - rule.b) * rule.i
  if opens <= now + 0.001 then return nil, now end
  return opens, now, out < rule.b, is_ahead and next
end

-- True while the rate of a key lets it give no job, and the time at which that ends by itself, if it does. Supervisors are told of it.
local function is_over_rate(queue, rule, key)
  local opens, now, by_itself, lowered = opening_of(queue, rule, key)
  if not opens then return false end
  if lowered then store_next(queue, key, lowered) end
  if not by_itself then return true end
  redis.pcall('PUBLISH', queue.changes, 'opens ' .. text_of(math.ceil(opens - now)))
  return true, math.ceil(opens)
end

-- True while a key may not give a job, and the time at which that ends by itself, if it does.
local function is_closed(queue, state, key, now)
  local rule = rule_of(state, key)
  local paused = tonumber(rule.p)
  if paused and (paused == 0 or paused > now) then return true, paused > 0 and paused or nil end
  if rule.r and count_busy(queue, key) >= tonumber(rule.r) then return true end
  if not rule.i then return false end
  return is_over_rate(queue, rule, key)
end

-- Notes that a key may have a job to give. Time that it has let pass is not made up for. A key that comes now moves the clock on a
-- little, so that it comes before all that come later: else new callers could go first for ever.
local function make_ready(queue, key)
  if redis.call('ZSCORE', queue.flow_ready, key) then return end
  local own, state = redis.call('ZSCORE', queue.flow_idle, key), open_flow(queue)
  local time = math.max(tonumber(own) or 0, state.time)
  if time == state.time then state.time = redis.call('HINCRBY', queue.flow, 'time', ARRIVAL) end
  redis.call('ZADD', queue.flow_ready, text_of(time), key)
  if own then redis.call('ZREM', queue.flow_idle, key) end
end

-- The same if a job of the key waits.
local function make_ready_again(queue, key)
  local least, largest = bounds_of(key)
  if redis.call('ZRANGEBYLEX', queue.flow_waiting, least, largest, 'LIMIT', 0, 1)[1] then make_ready(queue, key) end
end

-- Notes that a job of a key was begun, which counts for its rate. A damaged key must not keep a job from its start or its end.
local function charge(queue, key)
  local ok, problem = pcall(function()
    local rule = rule_of(open_flow(queue), key)
    if not rule.i then return end
    store_next(queue, key, next_of_rate(queue, rule, key) + rule.i)
    make_ready_again(queue, key)
  end)
  if not ok then note_damage(queue, problem) end
end

-- Takes back what a job that was given out has cost its key.
local function refund(queue, key)
  local state = open_flow(queue)
  local ready = redis.call('ZSCORE', queue.flow_ready, key)
  local time = tonumber(ready or redis.call('ZSCORE', queue.flow_idle, key) or state.time)
  local weight = tonumber(rule_of(state, key).w) or 1
  redis.call('ZADD', queue.flow_ready, text_of(math.max(time - math.floor(COST / weight), 0)), key)
  if not ready then redis.call('ZREM', queue.flow_idle, key) end
end

-- The key of a job: its own, or its caller.
function flow.key_of(job)
  return job.flow or job.caller or ''
end

-- The rank of a job that has begun and waits again: before all that have not.
function flow.rank_of_begun()
  return now_ms()
end

function flow.has_begun(rank)
  return rank < FIRST_RANK
end

-- Adds a job of the backlog to those of its key.
function flow.add(queue, key, id, rank)
  redis.call('ZADD', queue.flow_waiting, 0, waiting_member(key, id, rank))
  make_ready(queue, key)
end

-- Removes a job that waits here with this rank.
function flow.remove(queue, key, id, rank)
  redis.call('ZREM', queue.flow_waiting, waiting_member(key, id, rank))
end

-- Gives back the place that a job has of its key, if it has one; answers with 1 if it had. One that an actor has taken counts for the
-- rate, even if it was not begun.
function flow.free(queue, key, id, was_taken)
  local first = key .. '\0'
  if was_taken and rule_of(open_flow(queue), key).i and redis.call('ZREM', queue.flow_busy, first .. 'q' .. id) == 1 then
    charge(queue, key)
    return 1
  end
  local freed = redis.call('ZREM', queue.flow_busy, first .. 'q' .. id, first .. 'r' .. id, first .. 's' .. id)
  if freed > 0 then make_ready_again(queue, key) end
  return freed
end

-- The same for a job that has not been run: it has cost its key nothing.
function flow.free_unused(queue, key, id)
  if flow.free(queue, key, id) > 0 then refund(queue, key) end
end

-- Notes that an actor has begun a job that has a place of its key.
function flow.begin(queue, key, id)
  local first = key .. '\0'
  if redis.call('ZREM', queue.flow_busy, first .. 'q' .. id) == 1 then
    redis.call('ZADD', queue.flow_busy, 0, first .. 'r' .. id)
    charge(queue, key)
  end
end

-- Gives back the place of a job that has ended. One that was cancelled while an actor had it keeps it until the actor lets go of it, or
-- until its lease is over.
function flow.ended(batch, job)
  local queue, key = batch.queue, flow.key_of(job)
  local ok, problem = pcall(function()
    local was_taken = job.is_held or job.is_lost or job.status == 'running'
    if flow.free(queue, key, job.id, was_taken) == 0 or not job.is_held then return end
    local member = key .. '\0s' .. job.id
    redis.call('ZADD', queue.flow_busy, 0, member)
    redis.call('ZADD', queue.flow_later, text_of(batch.now + unique.time_to_stop(queue)), 's' .. member)
  end)
  if not ok then note_damage(queue, problem) end
end

-- Gives back the place of a job that was cancelled while an actor had it, and that the actor has stopped.
function flow.let_go(queue, job)
  local key = flow.key_of(job)
  local member = key .. '\0s' .. job.id
  if redis.call('ZREM', queue.flow_busy, member) == 1 then
    redis.call('ZREM', queue.flow_later, 's' .. member)
    make_ready_again(queue, key)
  end
end

-- The answer to a job that is one too many of those that wait of its key; nil for another one. Those that this call has refused or
-- accepted are in the indexes, since it adds them at once.
function flow.refusal(queue, job)
  local key = flow.key_of(job)
  local most = tonumber(rule_of(open_flow(queue), key).q)
  if not most then return nil end
  local least, largest = bounds_of(key)
  local waiting = redis.call('ZLEXCOUNT', queue.flow_waiting, least, largest)
  if waiting < most then
    waiting = waiting + redis.call('ZLEXCOUNT', queue.flow_busy, '[' .. key .. '\0q', '(' .. key .. '\0r')
  end
  return waiting >= most and { 'key_full', key, waiting, most } or nil
end

-- Sends those jobs of a key back that are in the window and come after this rank: one that comes before them waits.
function flow.clear_way(queue, key, rank)
  local window, behind = backlog.read_window(queue), {}
  for _, job in ipairs(window) do
    if job.flow == key and job.rank > rank then behind[#behind + 1] = job end
  end
  backlog.send_back(queue, behind)
end

-- Notes that a key has no job to give, and the time from which it goes on.
local function make_idle(queue, state, key, time)
  redis.call('ZREM', queue.flow_ready, key)
  if time > state.time then redis.call('ZADD', queue.flow_idle, text_of(time), key) end
end

-- Gives out the next job of the key whose turn it is; true if it had one.
local function give_out_next(queue, state, key, time, now)
  local least, largest = bounds_of(key)
  local found = redis.call('ZRANGEBYLEX', queue.flow_waiting, least, largest, 'LIMIT', 0, 2)
  local member, closed, opens = found[1], false, nil
  if member then closed, opens = is_closed(queue, state, key, now) end
  if not member or closed then
    make_idle(queue, state, key, time)
    if opens then redis.call('ZADD', queue.flow_later, text_of(opens), 'k' .. key) end
    return false
  end
  local rank, id = tonumber(string.sub(member, #key + 2, #key + 17)) or 0, string.sub(member, #key + 18)
  redis.call('ZREM', queue.flow_waiting, member)
  redis.call('ZREM', queue.flow_backlog, id)
  if not backlog.hand_out(queue, { id = id, rank = rank, flow = key }) then return false end
  redis.call('ZADD', queue.flow_busy, 0, key .. '\0q' .. id)
  state.time, state.moved = math.max(state.time, time), true
  time = time + math.floor(COST / (tonumber(rule_of(state, key).w) or 1))
  if found[2] then redis.call('ZADD', queue.flow_ready, text_of(time), key) else make_idle(queue, state, key, time) end
  return true
end

-- Fills the window up to this size with the jobs whose turn it is.
function flow.fill(queue, size)
  local state, now = open_flow(queue), now_ms()
  local room = size - redis.call('XLEN', queue.front) + pending_count(queue.front)
  local passed = 0
  while room > 0 and passed < PASSED_OVER do
    local first = redis.call('ZRANGE', queue.flow_ready, 0, 0, 'WITHSCORES')
    if not first[1] then break end
    if give_out_next(queue, state, first[1], tonumber(first[2]), now) then room = room - 1 else passed = passed + 1 end
  end
  if state.moved then redis.call('HSET', queue.flow, 'time', text_of(state.time)) end
  state.moved = nil
end

-- How many jobs will be given out before the one of this key and rank, more or less: as many of each other key as of its own.
function flow.count_before(queue, key, id, rank)
  local least = bounds_of(key)
  local own = redis.call('ZLEXCOUNT', queue.flow_waiting, least, '(' .. waiting_member(key, id, rank))
  local keys = math.max(redis.call('ZCARD', queue.flow_ready), 1)
  return math.min((own + 1) * keys - 1, math.max(backlog.count(queue) - 1, 0))
end

-- hero_flow_key q | key id: {jobs of the key at the front or with actors, 1 if this one is among them, ids of some of them …, and
-- while the rate of the key keeps it from giving a job `opens TIME`}.
reading('hero_flow_key', function(keys, args)
  local queue, key, id = queue_of(keys[1]), args[1], args[2]
  local least, largest = bounds_of(key)
  local first = key .. '\0'
  local is_busy = redis.call('ZSCORE', queue.flow_busy, first .. 'q' .. id) or redis.call('ZSCORE', queue.flow_busy, first .. 'r' .. id)
  local answer = { count_busy(queue, key), is_busy and 1 or 0 }
  for _, member in ipairs(redis.call('ZRANGEBYLEX', queue.flow_busy, least, largest, 'LIMIT', 0, SHOWN)) do
    answer[#answer + 1] = string.sub(member, #key + 3)
  end
  local rule = has_flow and rule_of(open_flow(queue), key) or NO_RULE
  local opens = rule.i and opening_of(queue, rule, key)
  if opens then answer[#answer + 1] = 'opens ' .. text_of(math.ceil(opens)) end
  return answer
end)

-- The word for what keeps a key from giving a job; nil for one that may.
local function hold_of(queue, state, key, now)
  local rule = rule_of(state, key)
  local paused = tonumber(rule.p)
  if paused and (paused == 0 or paused > now) then return 'paused' end
  if rule.r and count_busy(queue, key) >= tonumber(rule.r) then return 'limit' end
  return rule.i and opening_of(queue, rule, key) and 'rate' or nil
end

-- hero_flow_held q | mark: {jobs that wait in keys that are paused, in keys at their limit, in keys over their rate, `:` and the last key
-- of this page, or '' behind the last page}. The page begins behind this mark, or at the first key for ''.
reading('hero_flow_held', function(keys, args)
  local queue, now, mark = queue_of(keys[1]), now_ms(), args[1]
  if not has_flow then return { 0, 0, 0, '' } end
  local state, held = open_flow(queue), { paused = 0, limit = 0, rate = 0 }
  for _ = 1, HELD_PAGE do
    local from = mark == '' and '-' or '(' .. string.sub(mark, 2) .. END_OF_KEY
    local member = redis.call('ZRANGEBYLEX', queue.flow_waiting, from, '+', 'LIMIT', 0, 1)[1]
    local key = member and split_member(member)
    mark = key and ':' .. key or ''
    if not key then break end
    local hold = hold_of(queue, state, key, now)
    if hold then held[hold] = held[hold] + redis.call('ZLEXCOUNT', queue.flow_waiting, bounds_of(key)) end
  end
  return { held.paused, held.limit, held.rate, mark }
end)

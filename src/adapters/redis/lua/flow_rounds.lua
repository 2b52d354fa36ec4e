-- How flow by key begins, ends, and is put right: rules that change, jobs from before there were any, and rounds of maintenance.
--
-- This file goes on with the block of flow.lua.

local COMPARED_EVERY = 300000 -- milliseconds between two comparisons of all jobs
local KEYS_PAGE = 200     -- keys that one call looks at
local MOVED_PAGE = 500    -- jobs that one call moves
local FRONT_PAGES = 100   -- pages of the front that one call sends back; the window is never so long
local BUSY_PAGE = 100     -- jobs of `flow-busy` that one round compares with their records
local LATER_SHOWN = 20    -- members of `flow-later` among which the next one is looked for that opens a key

-- Adds a job that waits at this place, which is none of ours; true if it does.
local function take_over_job(queue, id, place, rank)
  local values = redis.call('HMGET', queue.record .. id, 'status', 'at', 'flow_key', 'caller_id', 'kind')
  if values[1] ~= 'queued' or values[2] ~= place or values[5] then return false end
  local text = text_of(rank)
  redis.call('HSET', queue.record .. id, 'at', 'b:' .. text)
  redis.call('ZADD', queue.flow_backlog, text, id)
  flow.add(queue, values[3] or values[4] or '', id, rank)
  return true
end

-- Moves the next jobs that wait in a stream or a backlog from before there were rules; answers true while there are more.
local function take_over(queue)
  local after, moved = last_delivered(queue.stream), 0
  local waiting = redis.call('XRANGE', queue.stream, after and '(' .. after or '-', '+', 'COUNT', MOVED_PAGE)
  for _, found in ipairs(waiting) do
    local entry, id = found[1], get_field(found[2], 'id')
    if id and take_over_job(queue, id, 'q:' .. entry, backlog.rank_in(entry, found[2])) then
      redis.call('XDEL', queue.stream, entry)
      moved = moved + 1
    end
  end
  local ranked = redis.call('ZRANGE', queue.backlog, 0, MOVED_PAGE - 1, 'WITHSCORES')
  for i = 1, #ranked, 2 do
    local rank = tonumber(ranked[i + 1])
    take_over_job(queue, ranked[i], 'b:' .. text_of(rank), rank)
    redis.call('ZREM', queue.backlog, ranked[i])
  end
  return moved > 0 and #waiting >= MOVED_PAGE or #ranked >= 2 * MOVED_PAGE
end

-- Makes ready the next keys that have jobs, since the rules have changed. Answers true while there are more.
local function wake_keys(queue)
  local after = redis.call('HGET', queue.flow, 'wakes')
  if not after then return false end
  local from = after == '-' and '-' or '(' .. string.sub(after, 2) .. END_OF_KEY
  for _ = 1, KEYS_PAGE do
    local member = redis.call('ZRANGEBYLEX', queue.flow_waiting, from, '+', 'LIMIT', 0, 1)[1]
    local key = member and split_member(member)
    if not key then
      redis.call('HDEL', queue.flow, 'wakes')
      return false
    end
    make_ready(queue, key)
    after, from = ':' .. key, '(' .. key .. END_OF_KEY
  end
  redis.call('HSET', queue.flow, 'wakes', after)
  return true
end

-- Makes the indexes say of an unfinished job what its record says.
local function compare_job(queue, id, delivered)
  local values = redis.call('HMGET', queue.record .. id, 'status', 'at', 'flow_key', 'caller_id', 'target_actor')
  local status, key = values[1], values[3] or values[4] or ''
  if (status ~= 'queued' and status ~= 'running') or not values[2] or values[5] then return end
  local letter, entry = split_place(values[2])
  if letter == 'b' then
    local rank = tonumber(entry)
    if not rank then return end
    if not redis.call('ZSCORE', queue.flow_backlog, id) then redis.call('ZADD', queue.flow_backlog, entry, id) end
    return flow.add(queue, key, id, rank)
  end
  local is_out = letter == 'f'
  if letter == 'q' and delivered then
    local at, number = parse_entry_id(entry)
    local last, last_number = parse_entry_id(delivered)
    is_out = at < last or (at == last and number <= last_number)
  end
  local first = key .. '\0'
  if is_out and not redis.call('ZSCORE', queue.flow_busy, first .. 'q' .. id)
    and not redis.call('ZSCORE', queue.flow_busy, first .. 'r' .. id) then
    redis.call('ZADD', queue.flow_busy, 0, first .. (status == 'running' and 'r' or 'q') .. id)
  end
end

-- Compares the next unfinished jobs with the indexes, if a comparison has begun. Answers true while there are more.
local function compare_jobs(queue)
  local cursor = redis.call('HGET', queue.flow, 'compares')
  if not cursor then return false end
  local page, ids = redis.call('ZSCAN', queue.unfinished, cursor, 'COUNT', MOVED_PAGE), {}
  for i = 1, #page[2], 2 do ids[#ids + 1] = page[2][i] end
  local delivered = last_delivered(queue.stream)
  for_each(queue, ids, function(id) compare_job(queue, id, delivered) end)
  if page[1] == '0' then
    redis.call('HDEL', queue.flow, 'compares')
    return false
  end
  redis.call('HSET', queue.flow, 'compares', page[1])
  return true
end

-- Gives back the place of a job that has none by its record: it has ended, waits, or is gone.
local function compare_busy(queue, member)
  local key, rest = split_member(member)
  local id = rest and string.sub(rest, 2)
  if not id then return redis.call('ZREM', queue.flow_busy, member) end
  if string.sub(rest, 1, 1) == 's' then
    if redis.call('ZSCORE', queue.flow_later, 's' .. member) then return end
  else
    local values = redis.call('HMGET', queue.record .. id, 'status', 'at')
    local letter = values[2] and split_place(values[2])
    if (values[1] == 'queued' or values[1] == 'running') and (letter == 'f' or letter == 'q') then
      -- An actor without rights to these keys has begun it.
      if values[1] == 'running' then flow.begin(queue, key, id) end
      return
    end
    if TERMINAL_STATES[values[1]] and flow.free(queue, key, id, true) > 0 then return end
  end
  redis.call('ZREM', queue.flow_busy, member)
  make_ready_again(queue, key)
end

local function compare_next_busy(queue)
  local cursor = redis.call('HGET', queue.flow, 'busy') or '0'
  local page, members = redis.call('ZSCAN', queue.flow_busy, cursor, 'COUNT', BUSY_PAGE), {}
  for i = 1, #page[2], 2 do members[#members + 1] = page[2][i] end
  for_each(queue, members, function(member) compare_busy(queue, member) end)
  if page[1] ~= cursor then redis.call('HSET', queue.flow, 'busy', page[1]) end
end

-- Forgets the use of a rate that makes no difference any more.
local function forget_rate(queue, key)
  local next = tonumber(redis.call('HGET', queue.flow, 'tat:' .. key))
  if next and next <= now_ms() then redis.call('HDEL', queue.flow, 'tat:' .. key) end
end

-- Looks at what has been put off until now: pauses that are over, rates that let a job through again, and actors that have had their time
-- to stop a job.
local function look_at_due(batch)
  local queue = batch.queue
  local due = redis.call('ZRANGEBYSCORE', queue.flow_later, '-inf', batch.now_text, 'LIMIT', 0, MOVED_PAGE)
  for_each(queue, due, function(member)
    redis.call('ZREM', queue.flow_later, member)
    local rest = string.sub(member, 2)
    local letter = string.sub(member, 1, 1)
    if letter == 'k' then return make_ready_again(queue, rest) end
    if letter == 't' then return forget_rate(queue, rest) end
    if redis.call('ZREM', queue.flow_busy, rest) == 1 then make_ready_again(queue, (split_member(rest))) end
  end)
  return #due >= MOVED_PAGE, #due
end

-- Ends the flow by key of a queue: its jobs go on in the order of their priorities.
local function close_flow(queue)
  if redis.call('EXISTS', queue.flow_backlog) == 1 and redis.call('RENAMENX', queue.flow_backlog, queue.backlog) == 0 then
    redis.call('ZUNIONSTORE', queue.backlog, 2, queue.backlog, queue.flow_backlog, 'AGGREGATE', 'MIN')
  end
  redis.call('UNLINK', queue.flow, queue.flow_backlog, queue.flow_waiting, queue.flow_busy, queue.flow_ready, queue.flow_idle,
    queue.flow_later)
  has_flow, current = false, nil
  has_backlog = redis.call('EXISTS', queue.backlog) == 1
end

-- Begins the flow by key of a queue.
local function begin_flow(queue)
  if has_backlog then redis.call('RENAMENX', queue.backlog, queue.flow_backlog) end
  has_flow, has_backlog = true, true
  backlog.open(queue)
  redis.call('HSET', queue.flow, 'compares', '0')
end

-- Sends all back that waits at the front: there may be many jobs that were retried while there were no rules.
local function clear_front(queue)
  for _ = 1, FRONT_PAGES do
    if backlog.clear_window(queue) then return end
  end
end

-- Refuses rules to a user of Redis from before there were any: rules that are half in force would hold up all jobs. Each command is
-- tried on keys that are not there yet.
local function check_rights(queue)
  local tried = {
    { 'ZRANGEBYLEX', queue.flow_waiting, '-', '+', 'LIMIT', 0, 1 }, { 'ZLEXCOUNT', queue.flow_busy, '-', '+' },
    { 'ZSCAN', queue.flow_busy, '0' }, { 'ZREMRANGEBYSCORE', queue.flow_idle, '-inf', '-inf' },
    { 'ZUNIONSTORE', queue.flow_ready, 1, queue.flow_idle }, { 'RENAMENX', queue.flow_ready, queue.flow_idle },
  }
  for _, command in ipairs(tried) do
    local answer = redis.pcall(unpack(command))
    if type(answer) == 'table' and answer.err and is_denied(answer.err) then
      error('the user of Redis has no right to ' .. command[1] .. ', which flow by key needs: print the rights anew with doctor '
        .. '--print-acl', 0)
    end
  end
end

-- Makes these the rules of a queue, if they are no older than those that it has. No text is no rules. `form` is higher for
-- supervisors that know more of a rule: of the same generation, what an older one leaves out stays in force.
function flow.set_rules(batch, generation, text, form)
  local queue = batch.queue
  if not has_flow and text == '' then return end
  local stored = has_flow and redis.call('HMGET', queue.flow, 'generation', 'rules', 'form') or {}
  local known, known_form = tonumber(stored[1]) or 0, tonumber(stored[3]) or 0
  if known > generation or known == generation and known_form > form then return end
  if stored[2] == text then
    if known < generation or known_form < form then
      redis.call('HSET', queue.flow, 'generation', text_of(generation), 'form', text_of(form))
    end
    return
  end
  if text == '' then return close_flow(queue) end
  if not has_flow then
    check_rights(queue)
    begin_flow(queue)
  end
  current = nil
  redis.call('HSET', queue.flow, 'rules', text, 'generation', text_of(generation), 'form', text_of(form), 'wakes', '-')
  clear_front(queue)
  take_over(queue)
  compare_jobs(queue)
  wake_keys(queue)
end

-- A round of maintenance; answers true while there is more to do.
function flow.maintain(batch)
  if not has_flow then return false end
  local queue = batch.queue
  if redis.call('XLEN', queue.front) - pending_count(queue.front) > FRONT_PAGES then clear_front(queue) end
  local has_more = look_at_due(batch)
  has_more = take_over(queue) or has_more
  has_more = compare_jobs(queue) or has_more
  has_more = wake_keys(queue) or has_more
  compare_next_busy(queue)
  redis.call('ZREMRANGEBYSCORE', queue.flow_idle, '-inf', text_of(open_flow(queue).time))
  return has_more
end

-- Begins to make ready all keys, since the clock has stepped back: what opens them by their rates lies further ahead than it should.
function flow.begin_wakes(queue)
  redis.call('HSET', queue.flow, 'wakes', '-')
end

-- Begins to compare all unfinished jobs with the indexes, and to make ready all keys: somebody may have removed keys. However many
-- supervisors there are, that is done every few minutes.
function flow.begin_comparison(queue)
  local now = now_ms()
  local elapsed = now - (tonumber(redis.call('HGET', queue.flow, 'compared')) or 0)
  if elapsed >= 0 and elapsed < COMPARED_EVERY then return end
  redis.call('HSET', queue.flow, 'compared', text_of(now))
  backlog.open(queue)
  redis.call('HSETNX', queue.flow, 'compares', '0')
  redis.call('HSETNX', queue.flow, 'wakes', '-')
end

-- hero_flow q | generation rules, perhaps form: makes these the rules of a queue, JSON or nothing, if they are no older than those
-- that it has: {"keys": {KEY: {w weight, r most running, q most queued, p paused until, i interval and b burst of the rate}}, "others":
-- {the same}}. Supervisors that know no rates give no form. Answers 1.
freeing('hero_flow', function(keys, args)
  local batch = open_batch(keys[1])
  flow.set_rules(batch, tonumber(args[1]), args[2], tonumber(args[3]) or 0)
  close_batch(batch)
  return 1
end)

-- Milliseconds until the next key opens, as far as that is known beforehand; -1 if none will.
local function next_opening(queue)
  local next, now = redis.call('ZRANGE', queue.flow_later, 0, LATER_SHOWN - 1, 'WITHSCORES'), now_ms()
  for i = 1, #next, 2 do
    if string.sub(next[i], 1, 1) == 'k' then return math.max(tonumber(next[i + 1]) - now, 0) end
  end
  return #next >= 2 * LATER_SHOWN and math.max(tonumber(next[#next]) - now, 0) or -1
end

-- hero_flow_open q: gives out what the rates of keys and the ends of pauses allow by now. Answers with the milliseconds until the next
-- key opens; -1 if none waits for that.
freeing('hero_flow_open', function(keys)
  local batch = open_batch(keys[1])
  if not has_flow then return -1 end
  local _, opened = look_at_due(batch)
  close_batch(batch)
  backlog.settle(batch.queue, opened)
  return next_opening(batch.queue)
end)

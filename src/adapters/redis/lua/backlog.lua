-- The backlog: jobs that wait in the order of their priorities.
--
-- While every job has the default priority and the key is missing, jobs go straight into the stream, and nothing of this file runs.
-- The first job of another priority makes the key. From then on every new job waits in it, and a small window of its best jobs is
-- kept at the front, where actors take them. A member's score is its rank, and the least rank comes first: the time of its
-- acceptance in microseconds, moved by the ageing for each level above or below the default one. So ranks never change by waiting,
-- and a job gains a level with each span of ageing all the same.
--
-- The member MARK is no job. Its score is the last time of acceptance with a minus, so that the order of acceptance holds whatever
-- the clock does. The key goes, mark and all, when nothing waits in it and nothing of it waits at the front.
--
-- Jobs that were in the stream before the key was made stay there. One of the backlog that ranks before the first of them goes to
-- the front, the others wait. Jobs at the front whose entries have `begun` had an attempt, and come before all others.

local SMALLEST, LARGEST = 8, 64 -- entries in the window
local MARK = '.'                -- no id of a job
local DROPPED = 100             -- jobs without a record that one call drops

local backlog = {}
local flow = {} -- filled in flow.lua

-- The key of the backlog, which is another one while the queue has flow by key.
local function backlog_key(queue)
  return has_flow and queue.flow_backlog or queue.backlog
end

-- The rank that the id of an entry stands for: its time.
function backlog.rank_of_entry(entry)
  local millis, sequence = parse_entry_id(entry)
  return millis * 1000 + math.min(sequence, 999)
end

-- The rank of an entry of the window or of the stream.
function backlog.rank_in(entry, fields)
  local rank = tonumber(get_field(fields, 'rank'))
  if rank then return rank end
  if has_flow and get_field(fields, 'begun') then return (parse_entry_id(entry)) end
  return backlog.rank_of_entry(get_field(fields, 'order') or entry)
end

-- The entries at the front that no actor has, in their order. Without flow by key, those that have begun are left out.
local function read_window(queue)
  local window, after = {}, last_delivered(queue.front)
  local found = redis.call('XREVRANGE', queue.front, '+', after and '(' .. after or '-', 'COUNT', 2 * LARGEST)
  for i = #found, 1, -1 do
    local entry, fields = found[i][1], found[i][2]
    local id = get_field(fields, 'id')
    if id and (has_flow and get_field(fields, 'kind') ~= 'ping' or not get_field(fields, 'begun')) then
      local rank = backlog.rank_in(entry, fields)
      window[#window + 1] = { entry = entry, id = id, rank = rank, flow = get_field(fields, 'flow') }
    end
  end
  return window
end

backlog.read_window = read_window

-- Removes entries of the window, from this one on.
local function remove_from(queue, window, first)
  local entries = {}
  for i = first, #window do entries[#entries + 1] = window[i].entry end
  if #entries > 0 then redis.call('XDEL', queue.front, unpack(entries)) end
end

-- Returns jobs whose entries were removed to the backlog, but for those that are no longer there.
local function take_back(queue, jobs)
  local scores = {}
  for _, job in ipairs(jobs) do
    local key = queue.record .. job.id
    local values = redis.call('HMGET', key, 'at', 'flow_key', 'caller_id')
    if values[1] == 'f:' .. job.entry then
      local rank = text_of(job.rank)
      redis.call('HSET', key, 'at', 'b:' .. rank)
      scores[#scores + 1], scores[#scores + 2] = rank, job.id
      if has_flow then
        local name = values[2] or values[3] or ''
        flow.add(queue, name, job.id, job.rank)
        flow.free_unused(queue, name, job.id)
      end
    end
  end
  if #scores > 0 then redis.call('ZADD', backlog_key(queue), unpack(scores)) end
end

-- Sends these entries of the window back.
function backlog.send_back(queue, jobs)
  remove_from(queue, jobs, 1)
  take_back(queue, jobs)
end

-- Sends the window back, so that an entry can be added before it; answers with whether that was all of it.
function backlog.clear_window(queue)
  if not has_backlog then return true end
  local window = read_window(queue)
  backlog.send_back(queue, window)
  return #window < 2 * LARGEST
end

-- Makes the key if it is missing; answers with the last time of acceptance.
local function open_backlog(queue)
  local mark = has_backlog and redis.call('ZSCORE', backlog_key(queue), MARK)
  if mark then return -tonumber(mark) end
  local newest = redis.call('XREVRANGE', queue.stream, '+', '-', 'COUNT', 1)[1]
  local last = newest and backlog.rank_of_entry(newest[1]) or 0
  redis.call('ZADD', backlog_key(queue), text_of(-last), MARK)
  if not has_backlog then
    has_backlog = true
    -- Among what was retried and released before, what has begun comes first from now on.
    backlog.clear_window(queue)
  end
  return last
end

backlog.open = open_backlog

-- The rank of a job that is accepted now. `shift` is that of its priority, nil or 0 for the default one.
function backlog.new_rank(queue, shift)
  local last, time = open_backlog(queue), redis.call('TIME')
  local at = math.max(time[1] * 1000000 + time[2], last + 1)
  redis.call('ZADD', backlog_key(queue), text_of(-at), MARK)
  return at + (tonumber(shift) or 0)
end

-- Adds a job of this key of flow, with a rank that may be `new`; answers with its place. It may come before others of its key: also
-- one of the default priority, before lower ones that are in the window.
function backlog.add(queue, id, rank, key, new)
  if not (has_flow and new) then open_backlog(queue) end
  local text = text_of(rank)
  redis.call('ZADD', backlog_key(queue), text, id)
  if has_flow then
    flow.add(queue, key, id, rank)
    flow.clear_way(queue, key, tonumber(rank))
  end
  return 'b:' .. text
end

-- Adds a job that is accepted now; answers with its place.
function backlog.add_new(queue, id, shift, key)
  return backlog.add(queue, id, backlog.new_rank(queue, shift), key, true)
end

-- Adds a job that was accepted elsewhere with this rank, which `shift` has moved. What is accepted from now on comes behind it.
function backlog.add_accepted(queue, id, rank, shift, key)
  local at = rank - (tonumber(shift) or 0)
  if at > open_backlog(queue) then redis.call('ZADD', backlog_key(queue), text_of(-at), MARK) end
  return backlog.add(queue, id, rank, key)
end

-- Removes a job of this key of flow that waits with this rank.
function backlog.remove(queue, id, rank, key)
  redis.call('ZREM', backlog_key(queue), id)
  if has_flow then flow.remove(queue, key, id, rank) end
end

-- How many jobs wait in the backlog.
function backlog.count(queue)
  return has_backlog and math.max(redis.call('ZCARD', backlog_key(queue)) - 1, 0) or 0
end

-- The rank of the next entry of the stream; nil when none waits there.
function backlog.next_of_stream(queue)
  if redis.call('XLEN', queue.stream) == 0 then return nil end
  local after = last_delivered(queue.stream)
  local found = redis.call('XRANGE', queue.stream, after and '(' .. after or '-', '+', 'COUNT', 1)[1]
  return found and backlog.rank_in(found[1], found[2])
end

-- The best jobs of the backlog that come before `limit`, at most `size`, each with its rank; and whether there is any job at all.
local function best_of(queue, limit, size)
  local found, best = redis.call('ZRANGE', queue.backlog, 0, size, 'WITHSCORES'), {}
  local any = false
  for i = 1, #found, 2 do
    local id, rank = found[i], tonumber(found[i + 1])
    if id ~= MARK then
      any = true
      if not limit or rank < limit then best[#best + 1] = { id = id, rank = rank } end
    end
  end
  return best, any
end

local function ranks_before(a, b)
  if a.rank ~= b.rank then return a.rank < b.rank end
  return a.id < b.id
end

-- The first ones of both lists, and those of the window that are not among them.
local function merge(window, best, size)
  local all, wanted, excess = {}, {}, {}
  for _, job in ipairs(window) do all[#all + 1] = job end
  for _, job in ipairs(best) do all[#all + 1] = job end
  table.sort(all, ranks_before)
  for i, job in ipairs(all) do
    if i <= size then wanted[i] = job elseif job.entry then excess[#excess + 1] = job end
  end
  return wanted, excess
end

-- Adds the entry of a job to the window; false when its record is gone or has it elsewhere.
function backlog.hand_out(queue, job)
  local key = queue.record .. job.id
  local values = redis.call('HMGET', key, 'status', 'at', 'attempt', 'kind')
  local at = values[2] or ''
  local is_here = job.entry and at == 'f:' .. job.entry or not job.entry and string.sub(at, 1, 2) == 'b:'
  if values[1] ~= 'queued' or not is_here then return false end
  local fields = { 'attempt', text_of((tonumber(values[3]) or 0) + 1), 'id', job.id, 'rank', text_of(job.rank) }
  if values[4] then set_field(fields, 'kind', values[4]) end
  if job.flow then set_field(fields, 'flow', job.flow) end
  redis.call('HSET', key, 'at', 'f:' .. redis.call('XADD', queue.front, '*', unpack(fields)))
  return true
end

-- True if the window is as it should be: full, and nothing that waits is better than its last job.
local function stands(window, best, size)
  for i = 2, #window do
    if not ranks_before(window[i - 1], window[i]) then return false end
  end
  if not best[1] then return true end
  return #window >= size and ranks_before(window[#window], best[1])
end

-- Makes the window what it should be; answers with the number of jobs that turned out to be gone.
local function change_window(queue, window, best, size)
  local wanted, excess = merge(window, best, size)
  local kept, from_backlog, lost = 0, {}, 0
  while window[kept + 1] and wanted[kept + 1] == window[kept + 1] do kept = kept + 1 end
  remove_from(queue, window, kept + 1)
  take_back(queue, excess)
  for i = kept + 1, #wanted do
    local job = wanted[i]
    if not job.entry then from_backlog[#from_backlog + 1] = job.id end
    if not backlog.hand_out(queue, job) then lost = lost + 1 end
  end
  if #from_backlog > 0 then redis.call('ZREM', queue.backlog, unpack(from_backlog)) end
  return lost
end

local function settle(queue, size)
  local limit, dropped = backlog.next_of_stream(queue), 0
  repeat
    local window = read_window(queue)
    local best, any = best_of(queue, limit, size)
    if stands(window, best, size) then
      if not any and #window == 0 then
        redis.call('DEL', queue.backlog)
        has_backlog = false
      end
      return
    end
    local lost = change_window(queue, window, best, size)
    dropped = dropped + lost
  until lost == 0 or dropped >= DROPPED
end

-- Keeps the best jobs of the backlog at the front, more of them after a call about `jobs` jobs: those who end many take many. A
-- damaged key must not keep a call from its end.
function backlog.settle(queue, jobs)
  if not has_backlog then return end
  local ok, problem = pcall(has_flow and flow.fill or settle, queue, math.min(SMALLEST + 2 * (jobs or 0), LARGEST))
  if not ok then note_damage(queue, problem) end
end

-- The time of acceptance of the oldest job in the backlog, as far as the first STRAYS_SAMPLE unfinished jobs tell; -1 when none waits.
function backlog.oldest(queue)
  if backlog.count(queue) == 0 then return -1 end
  for _, id in ipairs(redis.call('ZRANGE', queue.unfinished, 0, STRAYS_SAMPLE - 1)) do
    local values = redis.call('HMGET', queue.record .. id, 'at', 'status', 'created_at')
    if values[2] == 'queued' and values[1] and string.sub(values[1], 1, 2) == 'b:' then return tonumber(values[3]) or -1 end
  end
  local found = redis.call('ZRANGE', backlog_key(queue), 0, 1)
  local first = found[1] == MARK and found[2] or found[1]
  return tonumber(redis.call('HGET', queue.record .. first, 'created_at')) or -1
end

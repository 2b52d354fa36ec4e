-- The position of a job among those that wait, and how fast its queue has been lately.

local SCANNED = 200      -- entries of a stream that are counted one by one
local EVENTS_READ = 300  -- latest events that are looked through for ends
local ENDS_READ = 50     -- latest ends whose times are told

-- How many entries of a stream no actor has.
local function count_waiting(stream)
  return math.max(redis.call('XLEN', stream) - pending_count(stream), 0)
end

-- How many of the entries that wait in a stream stand before this one, which waits there, too, and true if that is exact. Both ends of
-- the stream are counted; in the middle it is what the index of unfinished jobs lets expect.
local function count_before(queue, stream, entry, id)
  local after = last_delivered(stream)
  local before = redis.call('XRANGE', stream, after and '(' .. after or '-', '(' .. entry, 'COUNT', SCANNED)
  if #before < SCANNED then return #before, true end
  local waiting = count_waiting(stream)
  local behind = redis.call('XREVRANGE', stream, '+', '(' .. entry, 'COUNT', SCANNED)
  if #behind < SCANNED then return math.max(waiting - 1 - #behind, 0), true end
  local rank, all = redis.call('ZRANK', queue.unfinished, id) or 0, redis.call('ZCARD', queue.unfinished)
  return math.max(SCANNED, math.min(rank - (all - waiting), waiting - 1 - SCANNED)), false
end

-- How many jobs of the backlog come before this rank. The mark, which is no job, has a score below 0.
local function count_better(queue, rank)
  return redis.call('ZCOUNT', backlog_key(queue), 0, '(' .. text_of(rank))
end

-- The position of a job in the backlog: behind the window, what ranks before it, and what waits in the stream from before.
local function position_in_backlog(queue, rank)
  local ahead, inline = count_waiting(queue.front) + count_better(queue, rank), count_waiting(queue.stream)
  local next_rank = inline > 0 and backlog.next_of_stream(queue)
  if not next_rank or next_rank > rank then return ahead, true end
  return ahead + inline, false
end

-- The position of a job in the stream: behind what waits at the front, and what ranks before it in the backlog.
local function position_in_stream(queue, entry, id)
  local ahead, is_exact = count_before(queue, queue.stream, entry, id)
  ahead = ahead + count_waiting(queue.front)
  local fields = has_backlog and read_entry(queue.stream, entry)
  if fields then ahead = ahead + count_better(queue, backlog.rank_in(entry, fields)) end
  return ahead, is_exact
end

-- How many jobs will be handed out before this one, and true if that is exact; nothing while it does not wait for an actor.
local function position_of(queue, id, place, target, key)
  local letter, entry = split_place(place)
  if letter == 'b' and has_flow then
    return count_waiting(queue.front) + flow.count_before(queue, key, id, tonumber(entry) or 0), false
  end
  if letter == 'b' then return position_in_backlog(queue, tonumber(entry) or 0) end
  if letter == 'q' then return position_in_stream(queue, entry, id) end
  return count_before(queue, lane_stream(queue, letter, target), entry, id)
end

-- Adds start and end of the latest ends in milliseconds, each as a text.
local function add_recent_ends(queue, answer)
  local found, count = redis.call('XREVRANGE', queue.events, '+', '-', 'COUNT', EVENTS_READ), 0
  for _, event in ipairs(found) do
    local state, id = get_field(event[2], 'state'), get_field(event[2], 'id')
    if TERMINAL_STATES[state] and id and count < ENDS_READ then
      local values = redis.pcall('HMGET', queue.record .. id, 'started_at', 'finished_at')
      if not values.err and values[1] and values[1] ~= '' and values[2] then
        answer[#answer + 1], answer[#answer + 2] = values[1], values[2]
        count = count + 1
      end
    end
  end
end

-- hero_position q | id: {jobs ahead, 1 if that is exact, start and end in milliseconds of each of the latest ends …}; nil for a job that
-- does not wait for an actor.
reading('hero_position', function(keys, args)
  local queue, id = queue_of(keys[1]), args[1]
  local values = redis.call('HMGET', queue.record .. id, 'status', 'at', 'target_actor', 'flow_key', 'caller_id')
  if values[1] ~= 'queued' or not values[2] then return nil end
  local ahead, is_exact = position_of(queue, id, values[2], values[3] or '', values[4] or values[5] or '')
  local answer = { ahead, is_exact and 1 or 0 }
  add_recent_ends(queue, answer)
  return answer
end)

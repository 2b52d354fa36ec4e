#!lua name=hero_v1
-- The function library: constants, keys, and helpers for streams and field lists.
--
-- The files are joined to one chunk in the order of `functions.rs`; each uses only what stands in files above it.
-- A function on a queue gets the key of the queue's stream and derives the other keys; all of them share one hash tag.
-- Every loop is bounded: by a limit that the caller gives (at most 1000 jobs a call), or by a page of actors (ACTORS_PAGE).
--
-- A header comment gives keys and arguments as `function keys | arguments`, then the answer. "per job:" means that what
-- follows is repeated to the end of the arguments.

local REVISION = 32
local GROUP = 'g'
local EVENTS_KEPT = '100000'
local EVENT_TEXT = 2048        -- bytes of an error in an event; the record has all of it
local DEAD_LETTERS_KEPT = '10000'
local REPLIES_KEPT = '10000'
local INLINE_RESULT = 16384    -- bytes of a result in a reply; a longer result is read from the record
local ATTEMPTS_KEPT = 10       -- past attempts in the record of a job
local HEAD = 8                 -- least number of entries for which it pays to look whether they are the head of a stream
local WAITERS = 8              -- supervisors that can wait for one job by reply; further ones read the record
local REQUEST_KEPT = 86400000  -- milliseconds for which a request id stands for its job
local STRAYS_SAMPLE = 100      -- jobs of a set whose records are looked at together
local ACTORS_PAGE = 200        -- actors that one call looks at
local DEFAULT_PRIORITY = '3'
local SCRIPT_TYPES = { 'osis', 'sal', 'v', 'python' }
local ERROR_KINDS = {
  'script_error', 'script_invalid', 'run_timeout', 'queue_timeout', 'limit_exceeded', 'engine_unavailable', 'engine_crash',
  'actor_lost', 'internal',
}
local TERMINAL_STATES = { succeeded = true, failed = true, cancelled = true }
local DELAYED_STATES = { scheduled = true, retry_wait = true, blocked = true } -- those of the jobs among the delayed ones

-- The fields of a job's record that its readers get: all but the script.
local BASIC = {
  'id', 'script_type', 'status', 'caller_id', 'context_id', 'env_vars', 'labels', 'timeout', 'retries', 'backoff',
  'queue_timeout', 'result_ttl', 'run_at', 'target_actor', 'kind', 'attempt', 'actor_id', 'created_at', 'started_at',
  'finished_at', 'due_at', 'output', 'result_kind', 'error', 'error_detail', 'cancel_reason', 'progress',
  'attempts', 'submitted_by', 'retry_of', 'usage', 'priority', 'unique', 'blocked_by', 'flow_key',
}

-- The script types besides this one.
local function other_types(script_type)
  local others = {}
  for _, name in ipairs(SCRIPT_TYPES) do
    if name ~= script_type then others[#others + 1] = name end
  end
  return others
end

-- True for the error of a command that the caller's user may not run.
local function is_denied(problem)
  return string.find(problem, 'permission', 1, true) or string.find(problem, 'The user executing', 1, true)
end

-- True while the queue of this call has a backlog, and while it has flow by key; see backlog.lua and flow.lua.
local has_backlog, has_flow = false, false
local call_number = 0 -- what is remembered for a call names it

-- Looks for two keys that never exist, and in the same step for the backlog and the flow of a queue; answers with how many there are,
-- flow counting twice. A user of Redis of an older version may not touch these: its calls do without.
local function look_for(key)
  local base = string.match(key, '^(hero:{.-}:)q$')
  if not base then return redis.pcall('EXISTS', key .. ':~1', key .. ':~2', key .. ':~3') end
  local found = redis.pcall('EXISTS', key .. ':~1', key .. ':~2', base .. 'backlog', base .. 'flow', base .. 'flow')
  if type(found) == 'table' and is_denied(found.err) then
    found = redis.pcall('EXISTS', key .. ':~1', key .. ':~2', base .. 'backlog')
  end
  if type(found) == 'table' and is_denied(found.err) then return redis.pcall('EXISTS', key .. ':~1', key .. ':~2') end
  return found
end

-- Keeps a function on several keys from doing half of its work. In a Cluster, the keys of a slot go to another server one by one, and a
-- function breaks off at the first key that is not here. On both sides of such a move Redis refuses to look for two keys
-- that never exist. So that is asked for first, and nothing is done until the move is over.
local function undivided(callback)
  return function(keys, args)
    local key = keys[1]
    has_backlog, has_flow, call_number = false, false, call_number + 1
    if key and string.find(key, '{', 1, true) then
      local found = look_for(key)
      if type(found) == 'number' then
        has_flow, has_backlog = found > 1, found > 0
      elseif not is_denied(found.err) then
        return redis.error_reply('TRYAGAIN the slot of ' .. key .. ' is on its way to another server; nothing was done')
      end
    end
    return callback(keys, args)
  end
end

-- Registers a function, also under the name that it had below revision 7: a supervisor of that time may still run.
local function register(name, call, flags, older_name)
  local callback = undivided(call)
  redis.register_function{ function_name = name, callback = callback, flags = flags }
  if older_name then redis.register_function{ function_name = older_name, callback = callback, flags = flags } end
end

-- Registers a function that stores something new. Redis refuses it on a replica, after a failed save, without enough
-- replicas, and when the memory is full.
local function writing(name, callback)
  register(name, callback, {})
end

-- Registers a function that ends, releases, removes or steers something and takes next to no room for it. Unlike a
-- writing one it also runs when the memory is full, so that a full Redis can be emptied.
local function freeing(name, callback, older_name)
  register(name, callback, { 'allow-oom' }, older_name)
end

-- Registers a function that writes nothing. It always runs.
local function reading(name, callback, older_name)
  register(name, callback, { 'no-writes' }, older_name)
end

-- Formats a whole number. Redis formats numbers itself with 17 digits and at ten times the cost.
local function text_of(number)
  return string.format('%.0f', number)
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local QUEUES_KNOWN = 16 -- queues whose keys are remembered between calls
local queues, queue_count = {}, 0

-- The keys of the queue that has this stream. `record`, `request`, `output` and `replies` are prefixes.
local function derive_keys(stream)
  local base = string.sub(stream, 1, -2)
  local tag = string.sub(base, 6)
  return {
    script_type = string.match(tag, '^{(.-)}'), base = base, stream = stream, front = base .. 'front',
    record = 'hero:job:' .. tag, request = 'hero:req:' .. tag, output = base .. 'log:', replies = base .. 'rep:',
    events = base .. 'events', changes = base .. 'news', jobs = base .. 'jobs', unfinished = base .. 'unfinished',
    ended = base .. 'done', delayed = base .. 'delayed', deadlines = base .. 'waits', dead_letters = base .. 'dlq',
    actors = base .. 'actors', inboxes = base .. 'inboxes', pause = base .. 'pause', counts = base .. 'counts',
    clock = base .. 'tick', backlog = base .. 'backlog', meta = base .. 'meta', restore = base .. 'restore',
    flow = base .. 'flow', flow_backlog = base .. 'flow-backlog', flow_waiting = base .. 'flow-waiting',
    flow_busy = base .. 'flow-busy', flow_ready = base .. 'flow-ready', flow_idle = base .. 'flow-idle',
    flow_later = base .. 'flow-later', by = base .. 'by:', marked = base .. 'marked',
  }
end

-- The same, remembered from an earlier call: most calls are short, and twenty keys take a good part of their time.
local function queue_of(stream)
  local queue = queues[stream]
  if queue then return queue end
  if queue_count == QUEUES_KNOWN then queues, queue_count = {}, 0 end
  queue = derive_keys(stream)
  queues[stream], queue_count = queue, queue_count + 1
  return queue
end

-- The stream of jobs and pings for one actor only.
local function inbox_of(queue, actor)
  return queue.base .. 'in:' .. actor
end

-- The stream of messages for the process of one actor: drain, cancel, wake, pause.
local function control_of(queue, actor)
  return queue.base .. 'ctl:' .. actor
end

local function send_control(queue, actor, ...)
  redis.call('XADD', control_of(queue, actor), 'NOMKSTREAM', 'MAXLEN', '~', '100', '*', ...)
end

-- The stream that a lane letter stands for: q the queue, f its front, i the inbox of `actor`.
local function lane_stream(queue, letter, actor)
  if letter == 'q' then return queue.stream end
  if letter == 'f' then return queue.front end
  return inbox_of(queue, actor)
end

-- Reads a lease of `actor` from arguments: lane letter, entry id, job id. `place` is its form in the job's record.
local function parse_lease(queue, actor, args, i)
  local letter, entry = args[i], args[i + 1]
  return {
    letter = letter, entry = entry, id = args[i + 2], actor = actor, place = letter .. ':' .. entry,
    stream = lane_stream(queue, letter, actor),
  }
end

-- The lane letter and the entry id of a place.
local function split_place(place)
  return string.match(place, '^(%a):(.+)$')
end

-- The actor of a consumer name.
local function actor_of(consumer)
  return string.match(consumer, '^[^.]*')
end

-- Cuts a text to a number of bytes at a UTF-8 character boundary.
local function truncate(text, most)
  if #text <= most then return text end
  while most > 0 do
    local next = string.byte(text, most + 1)
    if next < 128 or next >= 192 then break end
    most = most - 1
  end
  return string.sub(text, 1, most)
end

-- The value of one name in a flat list of names and values.
local function get_field(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then return fields[i + 1] end
  end
  return nil
end

-- Sets the value of one name in a flat list of names and values.
local function set_field(fields, name, value)
  for i = 1, #fields, 2 do
    if fields[i] == name then
      fields[i + 1] = value
      return
    end
  end
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end

-- Removes one name from a flat list of names and values.
local function remove_field(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then
      table.remove(fields, i + 1)
      table.remove(fields, i)
      return
    end
  end
end

-- The text of an error that pcall has caught; errors of Redis are tables.
local function error_text(problem)
  return type(problem) == 'table' and tostring(problem.err) or tostring(problem)
end

-- The table that a JSON text stands for; nil when it stands for none, since others have written it.
local function decode_table(text)
  local ok, decoded = pcall(cjson.decode, text)
  return ok and type(decoded) == 'table' and decoded or nil
end

-- Counts and logs what cannot be used because a key or a text is damaged.
local function note_damage(queue, problem)
  redis.pcall('HINCRBY', queue.counts, 'damaged', 1)
  redis.log(redis.LOG_WARNING, queue.base .. ' damaged: passed over (' .. error_text(problem) .. ')')
end

-- Applies `act` to each item. A damaged one must not keep all others of its queue waiting: it is noted.
local function for_each(queue, list, act)
  for _, item in ipairs(list) do
    local ok, problem = pcall(act, item)
    if not ok then note_damage(queue, problem) end
  end
end

-- Runs the steps of one round. One that breaks off keeps none of the others from their turn; answers with its error.
local function run_steps(steps)
  local first
  for _, step in ipairs(steps) do
    local ok, problem = pcall(step)
    if not ok and not first then first = problem end
  end
  return first
end

-- The consumer that an announcement names, '' when it is damaged.
local function consumer_of(announcement)
  local known = decode_table(announcement)
  return known and type(known.consumer) == 'string' and known.consumer or ''
end

-- Milliseconds and sequence number of an entry id.
local function parse_entry_id(entry)
  local millis, sequence = string.match(entry, '^(%d+)-(%d+)$')
  return tonumber(millis) or 0, tonumber(sequence) or 0
end

-- The least entry id above this one.
local function next_entry_id(entry)
  local millis, sequence = string.match(entry, '^(%d+)-(%d+)$')
  return millis .. '-' .. text_of(sequence + 1)
end

-- The fields of an entry; nil when the stream does not have it.
local function read_entry(stream, entry)
  local found = redis.call('XRANGE', stream, entry, entry)[1]
  return found and found[2]
end

-- The answer of XPENDING; empty when the stream or its group is missing.
local function pending_entries(stream, ...)
  local found = redis.pcall('XPENDING', stream, GROUP, ...)
  if found.err then return {} end
  return found
end

local function pending_count(stream)
  return tonumber(pending_entries(stream)[1]) or 0
end

-- The consumer that holds an entry; nil when no consumer does.
local function holder_of(stream, entry)
  local found = pending_entries(stream, entry, entry, 1)
  return found[1] and found[1][2]
end

-- The answer of XINFO GROUPS for our group; nil when the stream or the group is missing.
local function group_info(stream)
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  if groups.err then return nil end
  for _, group in ipairs(groups) do
    if get_field(group, 'name') == GROUP then return group end
  end
  return nil
end

local function last_delivered(stream)
  local group = group_info(stream)
  return group and get_field(group, 'last-delivered-id')
end

-- The consumers of a stream; empty when the stream or its group is missing.
local function consumers_of(stream)
  local consumers = redis.pcall('XINFO', 'CONSUMERS', stream, GROUP)
  if consumers.err then return {} end
  return consumers
end

-- Removes entries from a stream. To delete an entry by its id, Redis walks through its node of the stream; to cut off the
-- head it walks once. The head is what was delivered and is not pending: if the numbers say that all of it is in this
-- list, it is cut off. Entries behind a pending one are deleted by their ids.
local function remove_entries(stream, entries)
  local group = #entries >= HEAD and group_info(stream)
  local lag = group and get_field(group, 'lag')
  if lag and redis.call('XLEN', stream) - lag == get_field(group, 'pending') + #entries then
    local first = redis.call('XPENDING', stream, GROUP)[2] or next_entry_id(get_field(group, 'last-delivered-id'))
    if redis.call('XTRIM', stream, 'MINID', first) == #entries then return end
  end
  redis.call('XDEL', stream, unpack(entries))
end

-- Drops jobs that have no record any more, or an ended one, from a sorted set of unfinished jobs: somebody has removed keys. Looks
-- at a sample.
local function drop_strays(set, record)
  for _, id in ipairs(redis.call('ZRANDMEMBER', set, STRAYS_SAMPLE)) do
    local status = redis.pcall('HGET', record .. id, 'status')
    -- What cannot be read is not known to have ended.
    if type(status) ~= 'table' and (not status or TERMINAL_STATES[status]) then redis.call('ZREM', set, id) end
  end
end

-- Acknowledges and removes an entry that has no record: it is no job.
local function discard_entry(stream, entry)
  redis.call('XACK', stream, GROUP, entry)
  redis.call('XDEL', stream, entry)
end

-- Adds a job for one actor only. Its inbox is noted among those that may hold jobs, since the actor may be absent.
local function add_pinned(queue, actor, ...)
  redis.call('SADD', queue.inboxes, actor)
  return redis.call('XADD', inbox_of(queue, actor), '*', ...)
end

-- hero_revision: the revision of this library.
reading('hero_revision', function() return REVISION end)

-- hero_probe key: changes nothing, and is refused whenever a new job would be.
writing('hero_probe', function(keys) return redis.call('DEL', keys[1]) end)

-- hero_epoch key | fresh: writes `fresh` if the key is missing, and answers with the stored text, which identifies these data.
freeing('hero_epoch', function(keys, args)
  redis.call('SET', keys[1], args[1], 'NX')
  return redis.call('GET', keys[1])
end)

-- How jobs are accepted, and how supervisors wait for their ends.

local OLDER_READERS = 60000 -- milliseconds for which an older supervisor counts as there after each sign of it

-- The flags of a submission. Most submissions of a call have the same ones, so each text is looked at once.
local function parse_flags(call, text)
  local flags = call.flags[text]
  if flags then return flags end
  local function has(letter) return string.find(text, letter, 1, true) ~= nil end
  flags = {
    wanted = has('w'), ping = has('p'), foreign_id = has('x'), inline = has('i'), stray = has('u'), by = has('b'),
    taken = has('t'), unique = has('k'), reused = string.match(text, 'r(%d+)'),
  }
  local queued, running = string.match(text, 'l(%d*),(%d*)')
  if queued then flags.most = { queued = tonumber(queued), running = tonumber(running) } end
  queued, running = string.match(text, 'o(%d+),(%d+)')
  flags.shift = string.match(text, 'y(%-?%d+)')
  if queued then flags.elsewhere = { queued = tonumber(queued), running = tonumber(running) } end
  call.flags[text] = flags
  return flags
end

-- The value of a field among the names and values from `first` to `last`.
local function field_among(args, first, last, name)
  for i = first, last, 2 do
    if args[i] == name then return args[i + 1] end
  end
  return nil
end

-- Labels stand behind the seven fields that each record has, an input and an environment.
local LABELS_FROM, LABELS_TO = 14, 18

-- The labels of a submission, as JSON; nil when it has none.
local function labels_of(args, first, last)
  return field_among(args, first + LABELS_FROM, math.min(last, first + LABELS_TO), 'labels')
end

-- Reads one submission into a table; answers with the index behind it. `first` to `last` are the names and values of its record.
local function parse_submission(call, job, args, i)
  local first = i + 8
  job.id, job.flags, job.run_at, job.target = args[i], parse_flags(call, args[i + 1]), tonumber(args[i + 2]), args[i + 3]
  job.request, job.fingerprint, job.queue_timeout = args[i + 4], args[i + 5], tonumber(args[i + 6])
  job.first, job.last = first, i + 7 + tonumber(args[i + 7])
  -- The script type is the second field of a record.
  job.script_type = args[first + 3]
  -- The caller is the fourth field of a record.
  job.caller = args[first + 6] == 'caller_id' and args[first + 7] or ''
  job.by = job.flags.by and args[job.last] or nil
  job.unique = job.flags.unique and field_among(args, first, job.last, 'unique') or nil
  job.flow = has_flow and field_among(args, first, job.last, 'flow_key') or nil
  job.plan = nil
  return job.last + 1
end

-- How many jobs may still be added; nil while the streams are too short for a queue that could become full. Pending
-- entries are counted only then.
local function room_for(queue, limit, count)
  local length = redis.call('XLEN', queue.stream) + redis.call('XLEN', queue.front) + redis.call('ZCARD', queue.delayed)
    + backlog.count(queue)
  if length + count <= limit then return nil end
  return limit - (length - pending_count(queue.stream) - pending_count(queue.front))
end

-- Notes one more supervisor that waits for a job, up to WAITERS.
local function add_waiter(job_key, waiters, instance)
  local list, n = waiters or '', 0
  for word in string.gmatch(list, '%S+') do
    if word == instance then return end
    n = n + 1
  end
  if n < WAITERS then redis.call('HSET', job_key, 'rep', list == '' and instance or list .. ' ' .. instance) end
end

-- The basic fields of a job; its end will be replied to `instance`, if that is not empty.
local function attach(queue, id, instance)
  local job_key = queue.record .. id
  local values = redis.call('HMGET', job_key, 'status', 'rep')
  if not values[1] then return nil end
  if not has_ended(values[1]) and instance ~= '' then add_waiter(job_key, values[2], instance) end
  return basic_fields(queue, id)
end

-- The text of a key, nil when there is none; and why it cannot be read. One caller's damaged key must not fail the others of a call.
local function read_text(key)
  local found = redis.pcall('GET', key)
  if type(found) == 'table' then return nil, error_text(found) end
  return found
end

-- The answer to a request id that was used before; nil when it is new.
local function find_request(call, job)
  if job.request == '' then return nil end
  local queue = call.queue
  local key = queue.request .. job.request
  local found, problem = read_text(key)
  if problem then return { 'damaged', key, problem } end
  if not found then
    if job.flags.reused then return { 'reused', job.flags.reused } end
    for _, name in ipairs(call.others) do
      local other = read_text('hero:req:{' .. name .. '}:' .. job.request)
      if other then return { 'reused', string.match(other, '^%S+ %S* (%d+)e?$') or '0' } end
    end
    return nil
  end
  local id, fingerprint, first_use, existing = string.match(found, '^(%S+) (%S*) (%d+)(e?)$')
  if not id then return { 'damaged', key, 'it is no id, digest and time' } end
  if fingerprint ~= job.fingerprint then return { 'reused', first_use } end
  local ok, fields = pcall(attach, queue, id, job.flags.wanted and call.instance or '')
  if not ok then return { 'damaged', queue.record .. id, error_text(fields) } end
  return fields and { existing == 'e' and 'existing' or 'dup', id, fields } or { 'gone', id }
end

-- True if the id has a record; ids that callers have chosen are looked for in all queues.
local function is_id_taken(call, job)
  if job.flags.taken or redis.call('EXISTS', call.queue.record .. job.id) == 1 then return true end
  if not job.flags.foreign_id then return false end
  for _, name in ipairs(call.others) do
    if redis.call('EXISTS', 'hero:job:{' .. name .. '}:' .. job.id) == 1 then return true end
  end
  return false
end

-- The answer to a job whose key another one holds; nil when it may have the key, and then there is a plan for that.
local function conflict_of(call, job)
  if not job.unique then return nil end
  local queue, answer = call.queue, nil
  local again = field_among(job.args, job.first, job.last, 'retry_of')
  local ok, problem = pcall(function() answer, job.plan = unique.decide(queue, job.unique, again, call.now) end)
  if ok and answer and answer[1] == 'existing' then
    ok, problem = pcall(attach, queue, answer[2], job.flags.wanted and call.instance or '')
    answer[3] = problem
  end
  if not ok then return { 'damaged', 'a job or the index of the unique key of job ' .. job.id, error_text(problem) } end
  return answer
end

-- The answer to a job for which there is no room; nil when there is room, which it takes.
local function take_room(call, job)
  local replaces = job.plan and job.plan.replaces and job.plan.replaces[1]
  if not call.room or job.flags.ping or replaces then return nil end
  if job.target ~= '' then
    local length = redis.call('XLEN', inbox_of(call.queue, job.target))
    return length >= call.limit and { 'full', length } or nil
  end
  if call.room <= 0 then return { 'full', call.limit - call.room } end
  call.room = call.room - 1
  return nil
end

-- The answer to a job that is one too many of its key of flow; nil for another one, and for one that does not wait for any actor now.
local function flow_refusal(call, job)
  local is_for_all = job.target == '' and not job.flags.ping and job.run_at <= call.now
  local plan = job.plan
  if not has_flow or not is_for_all or plan and (plan.behind or plan.replaces and plan.replaces[1]) then return nil end
  return flow.refusal(call.queue, job)
end

-- The answer to a job that cannot be accepted; nil when it can.
local function refusal_of(call, job)
  local refusal = call.is_named and registry.refusal(call, job.script_type)
  if refusal then return refusal end
  if job.flags.stray then return { 'stray' } end
  if is_id_taken(call, job) then return { 'exists' } end
  return conflict_of(call, job) or quotas.refusal(call, job) or flow_refusal(call, job) or take_room(call, job)
end

-- Adds a new job to its queue, its backlog or its inbox, and answers with its place.
local function enqueue(queue, job)
  local shift = job.flags.shift
  if (has_backlog or shift) and job.target == '' and not job.flags.ping then
    return backlog.add_new(queue, job.id, shift, flow.key_of(job))
  end
  local stream, letter = queue.stream, 'q:'
  if job.target ~= '' then
    redis.call('SADD', queue.inboxes, job.target)
    stream, letter = inbox_of(queue, job.target), 'i:'
  end
  if job.flags.inline then
    -- Who has submitted it is nothing to actors.
    local last = job.by and job.last - 2 or job.last
    return letter .. redis.call('XADD', stream, '*', 'attempt', '1', unpack(job.args, job.first, last))
  end
  return letter .. redis.call('XADD', stream, '*', 'attempt', '1', 'id', job.id)
end

-- Writes the record. `name` and `value` are 'at' with a place, or 'due_at' with a time.
local function write_record(call, job, state, name, value)
  redis.call('HSET', call.queue.record .. job.id, 'status', state, name, value, 'rep', job.flags.wanted and call.instance or '',
    'created_at', call.now_text, 'updated_at', call.now_text, unpack(job.args, job.first, job.last))
  if job.flags.shift then redis.call('HSET', call.queue.record .. job.id, 'rank_shift', job.flags.shift) end
end

-- Queues a job, blocks it, or schedules it for its time, and writes its record. Answers with the change that this is.
local function place_job(call, job)
  local queue = call.queue
  local plan = job.plan
  if plan and plan.behind then
    redis.call('ZADD', queue.delayed, plan.score, job.id)
    write_record(call, job, 'blocked', 'blocked_by', plan.behind)
    return BLOCKED
  end
  if job.run_at > call.now then
    redis.call('ZADD', queue.delayed, job.run_at, job.id)
    write_record(call, job, 'scheduled', 'due_at', job.run_at)
    return SCHEDULED
  end
  write_record(call, job, 'queued', 'at', enqueue(queue, job))
  if job.queue_timeout > 0 then
    local deadline = set_deadline(queue, job.id, call.now, job.queue_timeout)
    redis.call('HSET', queue.record .. job.id, 'wait_until', deadline)
  end
  return QUEUED
end

-- Notes which job a request stands for; `mark` is e for one that was there before.
local function note_request(call, job, id, mark)
  if job.request == '' then return end
  local text = id .. ' ' .. job.fingerprint .. ' ' .. call.now_text .. mark
  redis.call('SET', call.queue.request .. job.request, text, 'PX', REQUEST_KEPT)
end

-- Cancels the jobs that a new one replaces.
local function clear_way(call, job)
  local queue, plan = call.queue, job.plan
  local reason = 'replaced by job ' .. job.id .. ', which has the same unique key'
  local ids = { plan.cancels }
  for i, old in ipairs(plan.replaces or {}) do table.insert(ids, i, old.id) end
  for _, id in ipairs(ids) do
    local old = load_job(queue, id)
    if old and not has_ended(old.status) then
      call.batch = call.batch or open_batch(queue.stream)
      cancel_unfinished(call.batch, old, reason, '')
    end
  end
  plan.score = plan.behind and unique.score_behind(queue, plan.behind)
  if not plan.score then plan.behind = nil end
end

-- Accepts one job; answers as `hero_submit` does.
local function submit_job(call, job)
  local answer = find_request(call, job) or refusal_of(call, job)
  if answer then
    -- A repeat of the request is answered with the same job.
    if answer[1] == 'existing' then note_request(call, job, answer[2], 'e') end
    return answer
  end
  local plan = job.plan
  if plan then clear_way(call, job) end
  call.placed[#call.placed + 1] = {
    id = job.id, target = job.target, request = job.request, by = job.by, unique = job.unique, behind = plan and plan.behind,
    flow = job.flow, caller = job.caller,
  }
  local change = place_job(call, job)
  if plan then unique.take(call.queue, job.id, job.unique, plan.behind) end
  quotas.accept(call, job, change.state)
  local labels = labels_of(job.args, job.first, job.last)
  if labels and not job.flags.ping then marks.set(call.queue, job.id, call.now_text, marks.of_labels(labels)) end
  note_request(call, job, job.id, '')
  if not job.flags.ping then
    emit_job_event(call.queue, job, NO_ATTEMPT, change)
    local accepted = call.accepted
    accepted[#accepted + 1] = call.now_text
    accepted[#accepted + 1] = job.id
  end
  return plan and plan.behind and { 'behind', plan.behind } or 1
end

-- Takes back what a call has placed that broke off, so that what is refused does not run.
local function retract(call)
  local queue = call.queue
  for _, job in ipairs(call.placed) do
    local place = redis.call('HGET', queue.record .. job.id, 'at')
    if place then
      local letter, entry = split_place(place)
      if letter == 'b' then
        backlog.remove(queue, job.id, entry, flow.key_of(job))
      else
        redis.call('XDEL', lane_stream(queue, letter, job.target), entry)
      end
    end
    redis.call('UNLINK', queue.record .. job.id)
    if job.request ~= '' then redis.call('UNLINK', queue.request .. job.request) end
    if job.unique then pcall(unique.retract, queue, job.id, job.unique, job.behind) end
    quotas.note(queue, job, 'cancelled')
    redis.pcall('ZREM', queue.delayed, job.id)
    redis.pcall('ZREM', queue.deadlines, job.id)
    redis.pcall('ZREM', queue.jobs, job.id)
    redis.pcall('ZREM', queue.unfinished, job.id)
    pcall(marks.remove, queue, { job.id })
  end
end

-- Accepts the jobs in `args`, and lists and counts them; adds the answers.
local function submit_jobs(call, args, answers)
  local queue, i = call.queue, 5
  local job = { args = args } -- one table for all: nothing keeps it
  while i <= #args do
    i = parse_submission(call, job, args, i)
    answers[#answers + 1] = submit_job(call, job)
  end
  if #call.accepted > 0 then
    redis.call('ZADD', queue.jobs, unpack(call.accepted))
    redis.call('ZADD', queue.unfinished, unpack(call.accepted))
    redis.call('HINCRBY', queue.counts, 'submitted', #call.accepted / 2)
  end
  local batch = call.batch
  call.batch = nil
  if batch then close_batch(batch) end
  backlog.settle(queue)
end

-- hero_submit q | queue limit instance others, per job: id flags run_at target request fingerprint queue_timeout n field value …
--   others: 1 if ids and requests of the other script types are looked at as well. In a Cluster their keys lie in other slots: there
--   the caller has asked hero_elsewhere, and the flags t, r and o tell its answers
--   flags: w the caller waits, p ping, x the id is the caller's own, i the entry carries the fields,
--   u there is no such target, t another queue has the id, rTIME another queue had the request then,
--   oQUEUED,RUNNING the jobs of its identity in other queues,
--   ySHIFT the rank of its priority, which is not the default one, is moved by so many microseconds,
--   k the record has a unique key,
--   b the last value is the identity that submits it, lQUEUED,RUNNING the most jobs that it may have (a number or nothing)
--   n: number of names and values that follow
-- Answers with the time, and per job with 1 or a list: behind id (it waits for the end of that job), existing id fields, held id state,
-- dup id fields, gone id, reused first_use, exists, stray, full length,
-- quota word used most, key_full key waiting most, damaged key why; of a queue that was created by name also no_queue, serves script_type.
writing('hero_submit', function(keys, args)
  local queue, now = queue_of(keys[1]), now_ms()
  local limit = tonumber(args[2])
  local call = {
    queue = queue, now = now, now_text = text_of(now), limit = limit, instance = args[3],
    others = args[4] == '1' and other_types(args[1]) or {}, used = {},
    room = room_for(queue, limit, (#args - 4) / 8),
    accepted = {}, placed = {}, flags = {}, serves = registry.type_of(queue),
  }
  call.is_named = call.serves ~= queue.script_type
  local answers = { now }
  local ok, problem = pcall(submit_jobs, call, args, answers)
  if ok then return answers end
  if call.batch then pcall(close_batch, call.batch) end
  retract(call)
  return redis.error_reply(error_text(problem))
end)

-- hero_elsewhere q | per job: id request identity: what this queue knows of jobs that are to be submitted to another one. Answers
-- per job {time of the first use of the request or '', 1 if the id is taken, jobs of the identity that wait, and that run}. What is
-- damaged is passed over.
reading('hero_elsewhere', function(keys, args)
  local queue, answers = queue_of(keys[1]), {}
  for i = 1, #args, 3 do
    local id, request, identity = args[i], args[i + 1], args[i + 2]
    local known = request ~= '' and read_text(queue.request .. request)
    local used = identity ~= '' and quotas.count({ queue.base }, identity) or { queued = 0, running = 0 }
    answers[#answers + 1] = {
      known and (string.match(known, '^%S+ %S* (%d+)e?$') or '0') or '', redis.call('EXISTS', queue.record .. id),
      used.queued, used.running,
    }
  end
  return answers
end)

-- hero_attach q | id instance: the basic fields of a job; until it has ended, its end will be replied to `instance`. Nil when
-- there is no such job.
freeing('hero_attach', function(keys, args)
  return attach(queue_of(keys[1]), args[1], args[2])
end)

-- Notes whether the supervisor that calls, as each does every few seconds, finds output in records as well: from the time `log_from` on
-- it may stand there. An older one puts that off for as long as it is there.
local function note_reader(queue, grace)
  local now = now_ms()
  if grace then
    redis.call('HSETNX', queue.counts, 'log_from', text_of(now + (tonumber(grace) or OLDER_READERS)))
  else
    redis.call('HSET', queue.counts, 'log_from', text_of(now + OLDER_READERS))
  end
end

-- hero_open_replies q | instance ttl, perhaps grace: creates the reply stream if it is missing, keeps it from expiring, and answers with
-- its last id. `grace` is given by supervisors that find output in records: how long they wait for older ones to show themselves.
freeing('hero_open_replies', function(keys, args)
  local queue = queue_of(keys[1])
  local stream = queue.replies .. args[1]
  note_reader(queue, args[3])
  if redis.call('EXISTS', stream) == 0 then redis.call('XADD', stream, '*', '.', '') end
  redis.call('PEXPIRE', stream, args[2])
  return get_field(redis.call('XINFO', 'STREAM', stream), 'last-generated-id')
end, 'hero_reply')

-- How many jobs of one identity wait and run: what its quotas go by.
--
-- `hero:{TYPE}:of:IDENTITY` is a sorted set of its jobs that have not ended, with the score 0 for a job that waits and 1 for one that
-- runs. Only jobs that an identity has submitted are in one. All that writes it can be repeated.

local quotas = {}

function quotas.key(base, identity)
  return base .. 'of:' .. identity
end

-- Notes the state of a job. A damaged set must not keep a job from its end.
function quotas.note(queue, job, state)
  if not job.by then return end
  local key = quotas.key(queue.base, job.by)
  local answer
  if TERMINAL_STATES[state] then
    answer = redis.pcall('ZREM', key, job.id)
  else
    answer = redis.pcall('ZADD', key, state == 'running' and 1 or 0, job.id)
  end
  if type(answer) == 'table' and answer.err then note_damage(queue, answer) end
end

-- The bases of the keys of this queue and of those of the other script types, by the names of the types.
function quotas.bases(queue, others)
  local bases = { [queue.script_type] = queue.base }
  for _, name in ipairs(others) do bases[name] = 'hero:{' .. name .. '}:' end
  return bases
end

-- Counts the jobs of an identity in these queues; nil and the answer to its job when a set is damaged.
function quotas.count(bases, identity)
  local used = { queued = 0, running = 0 }
  for _, base in pairs(bases) do
    local key = quotas.key(base, identity)
    local queued = redis.pcall('ZCOUNT', key, 0, 0)
    if type(queued) == 'table' then return nil, { 'damaged', key, error_text(queued) } end
    used.queued = used.queued + queued
    used.running = used.running + redis.call('ZCOUNT', key, 1, 1)
  end
  return used
end

-- Adds the jobs in the queues of other script types that the caller has counted, since they lie in other slots of a Cluster.
function quotas.add_elsewhere(used, elsewhere)
  if not used or not elsewhere then return end
  used.queued, used.running = used.queued + elsewhere.queued, used.running + elsewhere.running
end

-- Drops strays of each set.
function quotas.drop_strays(bases, identity)
  for name, base in pairs(bases) do drop_strays(quotas.key(base, identity), 'hero:job:{' .. name .. '}:') end
end

-- The answer to a job that is one too many for its identity; nil for another one.
function quotas.first_reached(used, most)
  for _, word in ipairs({ 'queued', 'running' }) do
    if most[word] and used[word] >= most[word] then return { 'quota', word, used[word], most[word] } end
  end
  return nil
end

-- Counts the jobs of an identity, once more without strays if a quota is reached; nil and the answer to its job when a set is damaged.
function quotas.count_anew(bases, identity, most)
  local used, problem = quotas.count(bases, identity)
  if not used or not quotas.first_reached(used, most) then return used, problem end
  quotas.drop_strays(bases, identity)
  return quotas.count(bases, identity)
end

-- The answer to a job of this call that its quota refuses. Its identity's jobs are counted once a call. A damaged set fails the jobs
-- of its identity only.
function quotas.refusal(call, job)
  local most = job.flags.most
  if not most or not job.by then return nil end
  local used, problem = call.used[job.by], nil
  if not used then
    used, problem = quotas.count_anew(quotas.bases(call.queue, call.others), job.by, most)
    if not used then return problem end
    quotas.add_elsewhere(used, job.flags.elsewhere)
    call.used[job.by] = used
  end
  return quotas.first_reached(used, most)
end

-- The answer to `identity`, which retries this job, when the job is its own and its quota allows no further one; else nil. With
-- `elsewhere` the caller has counted its jobs in the other queues.
function quotas.refusal_of_retry(queue, job, identity, most, elsewhere)
  if identity == '' or job.by ~= identity then return nil end
  local others = elsewhere and {} or other_types(queue.script_type)
  local used, problem = quotas.count_anew(quotas.bases(queue, others), identity, most)
  quotas.add_elsewhere(used, elsewhere)
  return used and quotas.first_reached(used, most) or problem
end

-- Notes a job that this call has accepted.
function quotas.accept(call, job, state)
  quotas.note(call.queue, job, state)
  local used = call.used[job.by]
  if used then used.queued = used.queued + 1 end
end

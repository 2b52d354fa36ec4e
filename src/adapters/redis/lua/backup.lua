-- Reads what a backup has: jobs and objects, each as it is at one moment.

-- hero_backup_extent q: {last job of the index of acceptance or '', its time}. A walk that ends behind that job has met all jobs that are
-- there now.
reading('hero_backup_extent', function(keys)
  local last = redis.call('ZRANGE', queue_of(keys[1]).jobs, -1, -1, 'WITHSCORES')
  return { last[1] or '', last[2] or '' }
end)

-- The rank of a job that waits for an actor, and 1 if it comes before all that have not begun. A job whose entry is gone has the rank of
-- its acceptance.
local function rank_of(queue, job, accepted)
  local letter, entry = split_place(job.place)
  if letter == 'b' then return entry, '' end
  local fields = read_entry(lane_stream(queue, letter, job.target or ''), entry)
  if not fields then return text_of(accepted * 1000 + (tonumber(job.shift) or 0)), '' end
  return text_of(backlog.rank_in(entry, fields)), letter == 'f' and get_field(fields, 'begun') and '1' or ''
end

-- The attempt that an actor has of a job, and that actor; nothing while none has it.
local function held_attempt(queue, job)
  local consumer = job.place and holder_of_job(queue, job)
  if not consumer then return '', '' end
  local letter, entry = split_place(job.place)
  local fields = read_entry(lane_stream(queue, letter, job.target or ''), entry)
  return fields and get_field(fields, 'attempt') or text_of(job.attempt + 1), actor_of(consumer)
end

-- One job: {id, time of acceptance, milliseconds for which its record is kept or '', attempt that an actor has of it or '', that actor,
-- rank or '', 1 if it has begun, names and values of its record}, and about how many bytes these are; nil when it is gone.
local function read_job(queue, id, accepted, now)
  local record = redis.call('HGETALL', queue.record .. id)
  local job = {
    status = get_field(record, 'status'), place = get_field(record, 'at'), target = get_field(record, 'target_actor'),
    attempt = tonumber(get_field(record, 'attempt')) or 0, shift = get_field(record, 'rank_shift'),
  }
  if not job.status then return nil, 0 end
  local kept, attempt, actor, rank, begun = '', '', '', '', ''
  if has_ended(job.status) then
    local expires = redis.call('ZSCORE', queue.ended, id)
    kept = expires and text_of(math.max(tonumber(expires) - now, 1)) or get_field(record, 'result_ttl') or '86400000'
  elseif job.status == 'queued' or job.status == 'running' then
    attempt, actor = held_attempt(queue, job)
    if job.status == 'running' and attempt == '' then
      attempt, actor = text_of(math.max(job.attempt, 1)), get_field(record, 'actor_id') or ''
    end
    if job.status == 'queued' and attempt == '' and job.place then rank, begun = rank_of(queue, job, tonumber(accepted)) end
  end
  local bytes = 0
  for _, text in ipairs(record) do bytes = bytes + #text end
  return { id, accepted, kept, attempt, actor, rank, begun, record }, bytes
end

-- hero_backup_jobs q | after score limit bytes: the next jobs behind `after`, which was accepted at `score` and may have gone meanwhile,
-- until they have about so many bytes. Answers {now, last id or '', its score, job …} with the jobs as above; those that are gone are left
-- out. The last id is empty at the end of the index.
reading('hero_backup_jobs', function(keys, args)
  local queue, now, budget = queue_of(keys[1]), now_ms(), tonumber(args[4])
  local answer = { text_of(now), '', args[2] }
  for _, id in ipairs(next_jobs(queue, args[1], args[2], tonumber(args[3]))) do
    local accepted = redis.call('ZSCORE', queue.jobs, id)
    local job, bytes = read_job(queue, id, accepted, now)
    answer[#answer + 1] = job
    answer[2], answer[3], budget = id, accepted, budget - bytes
    if budget <= 0 then break end
  end
  return answer
end)

-- hero_backup_objects objects | bytes id …: the next objects, until they have about so many bytes. Answers {how many ids were looked at,
-- {id, revision, space and text, index set …} …}. An index set is a field, a colon and the digest of a value.
reading('hero_backup_objects', function(keys, args)
  local objects, budget = keys[1], tonumber(args[1])
  local answer = { 0 }
  for i = 2, #args do
    local stored, known = redis.call('HGET', objects, args[i]), redis.call('HGET', objects .. ':f', args[i])
    if stored then
      local object = { args[i], stored }
      for _, index in ipairs(known and cmsgpack.unpack(known) or {}) do object[#object + 1] = index end
      answer[#answer + 1] = object
      budget = budget - #stored
    end
    answer[1] = i - 1
    if budget <= 0 then break end
  end
  return answer
end)

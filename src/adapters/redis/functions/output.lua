local LOG_ENTRIES = 10000      -- utterances kept of one job
local LOG_BYTES = 2097152      -- text kept of one job, give or take
local LOG_SPARE = 2764800000   -- a log outlives its record by this if nobody removes both together; longer than any run

-- Keeps utterances of the running attempt: `count` times number, milliseconds, kind and text in `args` from `first` on.
-- Kind is out, err, progress (how far is unknown) or a percentage. Numbers that are there already are passed over, so
-- a repeated call does no harm.
local function add_output(k, now, id, r, attempt, args, first, count)
  local key = k.log .. id
  local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  local seen = 0
  if last and get(last[2], 'a') == attempt then seen = tonumber(get(last[2], 'n')) or 0 end
  local bytes, progress = 0, nil
  for i = first, first + 4 * (count - 1), 4 do
    local number, at, kind, text = args[i], args[i + 1], args[i + 2], args[i + 3]
    if (tonumber(number) or 0) > seen then
      redis.call('XADD', key, 'MAXLEN', '~', LOG_ENTRIES, '*', 'a', attempt, 'n', number, 't', at, 's', kind, 'm', text)
      bytes = bytes + #text + 32
      if kind ~= 'out' and kind ~= 'err' then
        progress = { attempt = tonumber(attempt), at = tonumber(at), percent = tonumber(kind), message = text }
      end
    end
  end
  if bytes > 0 and redis.call('HINCRBY', k.rec .. id, 'log_bytes', bytes) > LOG_BYTES then
    local half = math.floor(redis.call('XLEN', key) / 2)
    redis.call('XTRIM', key, 'MAXLEN', half)
    redis.call('HSET', k.rec .. id, 'log_bytes', LOG_BYTES / 2)
  end
  if progress then
    r.progress = cjson.encode(progress)
    redis.call('HSET', k.rec .. id, 'progress', r.progress, 'updated_at', now)
  end
  redis.call('PEXPIRE', key, r.ttl + LOG_SPARE)
end

-- Whether this lease stands: the entry is the job's, and nothing has ended it.
local function stands(r, letter, eid)
  return r and r.at == letter .. ':' .. eid and (r.status == 'queued' or r.status == 'running')
end

-- hero_log q | actor | per job: lane eid id attempt count, and count times number at_ms kind text
-- Answers with 1 or 0 a job; 0: the lease is void and nothing was kept.
freeing('hero_log', function(keys, args)
  local k, now, answers = queue(keys[1]), now_ms(), {}
  local i = 2
  while i <= #args do
    local letter, eid, id, attempt, count = args[i], args[i + 1], args[i + 2], args[i + 3], tonumber(args[i + 4])
    local r = load(k, id)
    local held = stands(r, letter, eid) and holder(lane(k, letter, args[1]), eid) ~= nil
    if held and not r.ping then
      add_output(k, now, id, r, attempt, args, i + 5, count)
      notify(k, id)
    end
    answers[#answers + 1] = held and 1 or 0
    i = i + 5 + 4 * count
  end
  return answers
end)

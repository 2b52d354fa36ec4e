-- Records that supervisors share: compare-and-set, plain fields, leadership.

-- hero_compare_and_set hash | id json generation: writes a record if the stored one has this generation; '' stands for none.
-- Answers 1, or the stored record; nil when there is none though there should be.
freeing('hero_compare_and_set', function(keys, args)
  local hash, id, json, generation = keys[1], args[1], args[2], args[3]
  local stored = redis.call('HGET', hash, id)
  if generation == '' then
    if stored then return stored end
  else
    if not stored then return nil end
    -- A damaged record has no generation, so it is answered as one that somebody else has written.
    local known = decode_table(stored)
    if not known or known.generation ~= tonumber(generation) then return stored end
  end
  redis.call('HSET', hash, id, json)
  return 1
end, 'hero_put')

-- hero_set hash | field value only_new: sets a field; with 1 only if it is missing. Answers with the number of new fields.
freeing('hero_set', function(keys, args)
  return redis.call(args[3] == '1' and 'HSETNX' or 'HSET', keys[1], args[1], args[2])
end)

-- hero_lead key | instance term_ms: takes or renews the leadership. Answers 1, or 0 while another instance has it.
freeing('hero_lead', function(keys, args)
  local leader = redis.call('GET', keys[1])
  if leader and leader ~= args[1] then return 0 end
  redis.call('SET', keys[1], args[1], 'PX', args[2])
  return 1
end)

-- hero_step_down key | instance: gives the leadership up if this instance has it. Answers 1.
freeing('hero_step_down', function(keys, args)
  if redis.call('GET', keys[1]) == args[1] then redis.call('DEL', keys[1]) end
  return 1
end)

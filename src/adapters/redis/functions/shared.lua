-- hero_lead key | instance term_ms: takes the turn, or keeps it. Answers 1, or 0 while somebody else has it.
freeing('hero_lead', function(keys, args)
  local holder = redis.call('GET', keys[1])
  if holder and holder ~= args[1] then return 0 end
  redis.call('SET', keys[1], args[1], 'PX', args[2])
  return 1
end)

-- hero_step_down key | instance: gives the turn back, if it is ours.
freeing('hero_step_down', function(keys, args)
  if redis.call('GET', keys[1]) == args[1] then redis.call('DEL', keys[1]) end
  return 1
end)

-- hero_set hash | field value only_new: sets a field of what supervisors share; with 1 only if it is not there.
freeing('hero_set', function(keys, args)
  return redis.call(args[3] == '1' and 'HSETNX' or 'HSET', keys[1], args[1], args[2])
end)

-- hero_lead key | instance term_ms: takes the turn, or keeps it. Answers 1, or 0 while somebody else has it.
redis.register_function('hero_lead', function(keys, args)
  local holder = redis.call('GET', keys[1])
  if holder and holder ~= args[1] then return 0 end
  redis.call('SET', keys[1], args[1], 'PX', args[2])
  return 1
end)

-- hero_step_down key | instance: gives the turn back, if it is ours.
redis.register_function('hero_step_down', function(keys, args)
  if redis.call('GET', keys[1]) == args[1] then redis.call('DEL', keys[1]) end
  return 1
end)

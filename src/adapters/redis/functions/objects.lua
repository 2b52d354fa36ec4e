-- Objects of one type in one context. The one key is a hash, id to revision, space and text; derived from it are a hash
-- of what each object is found by, and a set of ids for each field and value. All share the hash tag of the context.

local function found_by(objects, field, value)
  return objects .. ':x:' .. field .. ':' .. redis.sha1hex(value)
end

-- Takes an object out of every set that it is in.
local function unfind(objects, id)
  local known = redis.call('HGET', objects .. ':f', id)
  if not known then return end
  for _, key in ipairs(cmsgpack.unpack(known)) do redis.call('SREM', objects .. ':x:' .. key, id) end
end

-- hero_object_put objects | id text expected most (field value)*: writes an object. `expected` is a revision, or ''.
-- Answers with 'written', 'conflict' or 'full', and the revision that the object has now.
redis.register_function('hero_object_put', function(keys, args)
  local objects, id = keys[1], args[1]
  local stored = redis.call('HGET', objects, id)
  local revision = stored and tonumber(string.match(stored, '^%d+')) or 0
  if args[3] ~= '' and tonumber(args[3]) ~= revision then return { 'conflict', revision } end
  if not stored and redis.call('HLEN', objects) >= tonumber(args[4]) then return { 'full', 0 } end
  unfind(objects, id)
  local known, prefix = {}, #objects + 4
  for i = 5, #args, 2 do
    local key = found_by(objects, args[i], args[i + 1])
    redis.call('SADD', key, id)
    known[#known + 1] = string.sub(key, prefix)
  end
  redis.call('HSET', objects .. ':f', id, cmsgpack.pack(known))
  -- Joined, not formatted: a format ends a text at its first NUL, and numbers become floats.
  redis.call('HSET', objects, id, string.format('%.0f', revision + 1) .. ' ' .. args[2])
  return { 'written', revision + 1 }
end)

-- hero_object_delete objects | id: removes an object; 1 if there was one.
freeing('hero_object_delete', function(keys, args)
  unfind(keys[1], args[1])
  redis.call('HDEL', keys[1] .. ':f', args[1])
  return redis.call('HDEL', keys[1], args[1])
end)

-- hero_object_find objects | field value: ids of the objects whose field holds this value.
reading('hero_object_find', function(keys, args)
  return redis.call('SMEMBERS', found_by(keys[1], args[1], args[2]))
end)

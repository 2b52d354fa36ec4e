-- Objects of one type in one context. The one key is a hash: id to revision, space and text. Derived from it are a hash of the
-- index sets of each object (`:f`), and an index set of ids for each field and value (`:x:`). All share the hash tag of the context.

local function index_key(objects, field, value)
  return objects .. ':x:' .. field .. ':' .. redis.sha1hex(value)
end

-- Takes an object out of all its index sets.
local function remove_from_indexes(objects, id)
  local known = redis.call('HGET', objects .. ':f', id)
  if not known then return end
  for _, key in ipairs(cmsgpack.unpack(known)) do redis.call('SREM', objects .. ':x:' .. key, id) end
end

-- Adds an object to the index sets of its fields: names and values in `args` from index `first` on.
local function add_to_indexes(objects, id, args, first)
  local known, prefix = {}, #objects + 4
  for i = first, #args, 2 do
    local key = index_key(objects, args[i], args[i + 1])
    redis.call('SADD', key, id)
    known[#known + 1] = string.sub(key, prefix)
  end
  redis.call('HSET', objects .. ':f', id, cmsgpack.pack(known))
end

-- hero_object_put objects | id text expected most (field value)*: writes an object. `expected` is a revision, or ''; `most` is how
-- many objects there may be.
-- Answers with written, conflict or full, and the revision that the object has now.
writing('hero_object_put', function(keys, args)
  local objects, id, expected = keys[1], args[1], args[3]
  local stored = redis.call('HGET', objects, id)
  local revision = stored and tonumber(string.match(stored, '^%d+')) or 0
  if expected ~= '' and tonumber(expected) ~= revision then return { 'conflict', revision } end
  if not stored and redis.call('HLEN', objects) >= tonumber(args[4]) then return { 'full', 0 } end
  remove_from_indexes(objects, id)
  add_to_indexes(objects, id, args, 5)
  -- Joined, not formatted: a format ends a text at its first NUL.
  redis.call('HSET', objects, id, text_of(revision + 1) .. ' ' .. args[2])
  return { 'written', revision + 1 }
end)

-- hero_object_delete objects | id: removes an object. Answers 1 if there was one.
freeing('hero_object_delete', function(keys, args)
  remove_from_indexes(keys[1], args[1])
  redis.call('HDEL', keys[1] .. ':f', args[1])
  return redis.call('HDEL', keys[1], args[1])
end)

-- hero_object_find objects | field value: ids of the objects whose field has this value. All in one call, as actors with a
-- revision below 7 ask.
reading('hero_object_find', function(keys, args)
  return redis.call('SMEMBERS', index_key(keys[1], args[1], args[2]))
end)

-- hero_object_page objects | field value cursor count: the next page of the same: {next cursor or 0, ids}. An id may be on two pages.
reading('hero_object_page', function(keys, args)
  return redis.call('SSCAN', index_key(keys[1], args[1], args[2]), args[3], 'COUNT', args[4])
end)

-- Queues that were created by name. Such a queue has a hash `meta` with the script type whose jobs it takes, and exists until that
-- has the field `deleting`. The default queue of a script type needs none.

local registry = {}

-- The script type whose jobs a queue takes; nil when there is no such queue.
function registry.type_of(queue)
  for _, name in ipairs(SCRIPT_TYPES) do
    if name == queue.script_type then return name end
  end
  local kept = redis.call('HMGET', queue.meta, 'script_type', 'deleting')
  return not kept[2] and kept[1] or nil
end

-- The answer to a job that the queue of its call does not take; nil when it does.
function registry.refusal(call, script_type)
  if not call.serves then return { 'no_queue' } end
  return script_type ~= call.serves and { 'serves', call.serves } or nil
end

-- The error for an actor at a queue that does not exist, or that takes jobs of another script type; nil when it is right there.
-- Without a script type only the first is looked at.
function registry.refusal_of_actor(queue, script_type)
  local serves = registry.type_of(queue)
  if not serves then return 'there is no queue ' .. queue.script_type .. ': create it, or start the actor at another one' end
  if script_type and script_type ~= serves then
    return 'queue ' .. queue.script_type .. ' takes ' .. serves .. ' jobs, and the actor runs ' .. script_type
  end
  return nil
end

-- hero_create_queue q | script_type: creates the queue. Answers with {1 if it is new, 2 while it is being deleted, else 0; its script
-- type; its time of creation}.
writing('hero_create_queue', function(keys, args)
  local queue = queue_of(keys[1])
  if redis.call('HEXISTS', queue.meta, 'deleting') == 1 then return { 2, '', 0 } end
  local is_new = redis.call('HSETNX', queue.meta, 'script_type', args[1])
  if is_new == 1 then redis.call('HSET', queue.meta, 'created_at', text_of(now_ms())) end
  local kept = redis.call('HMGET', queue.meta, 'script_type', 'created_at')
  return { is_new, kept[1], tonumber(kept[2]) or 0 }
end)

-- hero_delete_queue q: begins to delete the queue if no job waits or runs there and no actor is there. Answers with {1 if it does, its
-- jobs, its actors}.
freeing('hero_delete_queue', function(keys)
  local queue = queue_of(keys[1])
  local jobs, actors = redis.call('ZCARD', queue.unfinished), redis.call('HLEN', queue.actors)
  if jobs > 0 or actors > 0 then return { 0, jobs, actors } end
  redis.call('HSET', queue.meta, 'deleting', '1')
  return { 1, 0, 0 }
end)

-- hero_clear_queue q | limit: removes the records of some jobs of a queue that is being deleted, at last all of its keys. Answers 1 while
-- there is more to remove. A queue that was created again meanwhile is left alone.
freeing('hero_clear_queue', function(keys, args)
  local queue = queue_of(keys[1])
  if redis.call('HEXISTS', queue.meta, 'deleting') == 0 then return 0 end
  local ids = redis.call('ZRANGE', queue.jobs, 0, tonumber(args[1]) - 1)
  for _, id in ipairs(ids) do redis.call('UNLINK', queue.record .. id, queue.output .. id) end
  if #ids > 0 then
    marks.remove(queue, ids)
    redis.call('ZREM', queue.jobs, unpack(ids))
    return 1
  end
  local page = redis.call('SSCAN', queue.inboxes, '0', 'COUNT', ACTORS_PAGE)[2]
  for _, actor in ipairs(page) do
    redis.call('UNLINK', inbox_of(queue, actor), control_of(queue, actor))
    redis.call('SREM', queue.inboxes, actor)
  end
  if #page > 0 then return 1 end
  redis.call('UNLINK', queue.stream, queue.front, queue.events, queue.dead_letters, queue.jobs, queue.unfinished, queue.ended,
    queue.backlog, queue.delayed, queue.deadlines, queue.actors, queue.pause, queue.counts, queue.clock, queue.inboxes, queue.restore,
    queue.marked, queue.meta, queue.flow, queue.flow_backlog, queue.flow_waiting, queue.flow_busy, queue.flow_ready, queue.flow_idle,
    queue.flow_later)
  return 0
end)

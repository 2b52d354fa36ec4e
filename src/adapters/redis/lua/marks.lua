-- The marks by which jobs are found: their labels, and the kind of error of those that failed.
--
-- Each mark has an index, which is a sorted set like that of all jobs: ids by the time of acceptance. The hash `marked` keeps the marks of
-- each job, so that they are taken back when its record has expired already. A job without marks costs nothing.

local marks = {}

local function index_of_mark(queue, mark)
  return queue.by .. mark
end

-- The marks that a job has by its labels, which are JSON.
function marks.of_labels(text)
  local list = {}
  for name, value in pairs(decode_table(text) or {}) do
    if type(name) == 'string' and type(value) == 'string' then list[#list + 1] = 'label:' .. name .. '=' .. value end
  end
  return list
end

-- The kind of an error (JSON), internal for one that is not ours. In a message that quotes such a text its quotes are escaped.
function marks.kind_of(detail)
  local kind = string.match(detail, '"kind"%s*:%s*"([%l_]+)"')
  for _, known in ipairs(ERROR_KINDS) do
    if kind == known then return kind end
  end
  return 'internal'
end

-- The mark of a job that failed by an error of this kind.
function marks.of_error(kind)
  return 'error:' .. kind
end

-- Does this to marks. A key that is damaged, or that actors with the rights of an older version may not touch, is noted and fails no
-- job; readers do without the indexes from then on.
local function guarded(queue, act)
  local ok, problem = pcall(act)
  if ok then return end
  if not is_denied(error_text(problem)) then note_damage(queue, problem) end
  redis.pcall('HSET', queue.counts, 'unmarked', '1')
end

-- The marks that are known of a job.
local function known_marks(queue, id)
  local text = redis.call('HGET', queue.marked, id)
  return text and decode_table(text) or {}
end

local function set_marks(queue, id, accepted, list)
  redis.call('HSET', queue.marked, id, cjson.encode(list))
  for _, mark in ipairs(list) do redis.call('ZADD', index_of_mark(queue, mark), accepted, id) end
end

-- Gives a job that was accepted at this time these marks, and no others.
function marks.set(queue, id, accepted, list)
  if #list > 0 then guarded(queue, function() set_marks(queue, id, accepted, list) end) end
end

-- Gives a job that has failed the mark of its error.
function marks.add_error(queue, id, accepted, kind)
  guarded(queue, function()
    local list = known_marks(queue, id)
    list[#list + 1] = marks.of_error(kind)
    set_marks(queue, id, accepted, list)
  end)
end

-- Takes the mark of its error from a job that goes on.
function marks.take_error(queue, id)
  guarded(queue, function()
    local left, taken = {}, {}
    for _, mark in ipairs(known_marks(queue, id)) do
      local list = string.sub(mark, 1, 6) == 'error:' and taken or left
      list[#list + 1] = mark
    end
    for _, mark in ipairs(taken) do redis.call('ZREM', index_of_mark(queue, mark), id) end
    if #left > 0 then
      redis.call('HSET', queue.marked, id, cjson.encode(left))
    else
      redis.call('HDEL', queue.marked, id)
    end
  end)
end

-- Takes all marks from these jobs, whose records are removed.
function marks.remove(queue, ids)
  guarded(queue, function() marks.remove_known(queue, ids) end)
end

-- The same, which breaks off at a damaged key.
function marks.remove_known(queue, ids)
  local gone, by_mark = {}, {}
  for i, text in ipairs(redis.call('HMGET', queue.marked, unpack(ids))) do
    if text then
      gone[#gone + 1] = ids[i]
      for _, mark in ipairs(decode_table(text) or {}) do
        local listed = by_mark[mark]
        if listed then listed[#listed + 1] = ids[i] else by_mark[mark] = { ids[i] } end
      end
    end
  end
  for mark, listed in pairs(by_mark) do redis.call('ZREM', index_of_mark(queue, mark), unpack(listed)) end
  if #gone > 0 then redis.call('HDEL', queue.marked, unpack(gone)) end
end

-- The marks of a job by its record.
local function marks_of_record(queue, id)
  local values = redis.call('HMGET', queue.record .. id, 'labels', 'status', 'error_detail')
  local list = values[1] and marks.of_labels(values[1]) or {}
  if values[2] == 'failed' then list[#list + 1] = marks.of_error(marks.kind_of(values[3] or '')) end
  return list
end

-- Marks a job by its record.
function marks.restore(queue, id, accepted)
  marks.set(queue, id, accepted, marks_of_record(queue, id))
end

-- Marks the jobs that an older library has accepted, page by page. The clock's field `marked` has the cursor, and in the end `all`; who
-- loads this library removes it before. Answers 1 while there is more to do.
function marks.index_older(queue, page_size)
  local cursor = redis.call('HGET', queue.clock, 'marked') or '0'
  if cursor == 'all' then return 0 end
  local page, accepted = redis.call('ZSCAN', queue.jobs, cursor, 'COUNT', page_size), {}
  for i = 1, #page[2], 2 do accepted[#accepted + 1] = { id = page[2][i], at = page[2][i + 1] } end
  for_each(queue, accepted, function(job) marks.restore(queue, job.id, job.at) end)
  local is_complete = page[1] == '0'
  redis.call('HSET', queue.clock, 'marked', is_complete and 'all' or page[1])
  return is_complete and 0 or 1
end

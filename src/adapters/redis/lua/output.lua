-- Output of scripts, kept in a stream of its job, or in the record of one that ends at once. Its bounds are those of
-- docs/actor-protocol.md, whatever the language of the actor.

local LINE_BYTES = 65536       -- bytes of a line, and of the text of a progress
local OUTPUT_ENTRIES = 10000   -- output lines kept of one job
local OUTPUT_BYTES = 2097152   -- about this many bytes of output are kept of one job
local RECORD_LINES = 16        -- output lines that are kept in a record
local RECORD_BYTES = 1024      -- about this many bytes of them
local OUTPUT_SPARE = 2764800000 -- milliseconds by which output outlives its record if both are not removed together; longer than any run

-- Reads the output of one job; answers with it and the index behind it. From `first` on there are `count` times number,
-- milliseconds, kind, text.
local function parse_output(args, i)
  local count, first = tonumber(args[i + 4]), i + 5
  return { args = args, attempt = args[i + 3], first = first, count = count }, first + 4 * count
end

-- The number of the last line that is kept of this attempt.
local function last_line(stream, attempt)
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  if not last or get_field(last[2], 'a') ~= attempt then return 0 end
  return tonumber(get_field(last[2], 'n')) or 0
end

-- A percentage that JSON can have; nil for another text.
local function percentage(text)
  local number = tonumber(text)
  return number and number >= -math.huge and math.abs(number) < math.huge and number or nil
end

-- Adds lines with numbers that are not there yet; answers with their bytes and the last progress among them. Lines that are
-- there are passed over, so a repeated call does no harm.
local function add_lines(stream, attempt, output)
  local args, seen, bytes, progress = output.args, last_line(stream, attempt), 0, nil
  for i = output.first, output.first + 4 * (output.count - 1), 4 do
    local number, at, kind, text = args[i], args[i + 1], args[i + 2], truncate(args[i + 3], LINE_BYTES)
    if (tonumber(number) or 0) > seen then
      redis.call('XADD', stream, 'MAXLEN', '~', OUTPUT_ENTRIES, '*', 'a', attempt, 'n', number, 't', at, 's', kind,
        'm', text)
      bytes = bytes + #text + 32
      if kind ~= 'out' and kind ~= 'err' then
        progress = { attempt = tonumber(attempt), at = tonumber(at), percent = percentage(kind), message = text }
      end
    end
  end
  return bytes, progress
end

-- Keeps output of the running attempt. A kind is out, err, progress (without a percentage) or a percentage.
local function keep_output(queue, job, now, attempt, output)
  local stream = queue.output .. job.id
  local bytes, progress = add_lines(stream, attempt, output)
  if bytes > 0 and redis.call('HINCRBY', job.key, 'log_bytes', bytes) > OUTPUT_BYTES then
    redis.call('XTRIM', stream, 'MAXLEN', math.floor(redis.call('XLEN', stream) / 2))
    redis.call('HSET', job.key, 'log_bytes', OUTPUT_BYTES / 2)
  end
  if progress then
    job.progress = cjson.encode(progress)
    redis.call('HSET', job.key, 'progress', job.progress, 'updated_at', now)
  end
  redis.call('PEXPIRE', stream, job.ttl + OUTPUT_SPARE)
end

-- True once no supervisor is left that looks for output in streams alone.
local function keeps_in_records(batch)
  if not batch.log_from then
    local from = redis.pcall('HGET', batch.queue.counts, 'log_from')
    batch.log_from = type(from) == 'string' and tonumber(from) or math.huge
  end
  return batch.now >= batch.log_from
end

-- Makes one text of all output of a job that ends without having said anything before: its attempt, and a line feed and
-- `number milliseconds kind bytes`, a line feed, and the text for each line. Answers with it and about its bytes; nil for long
-- output and for one with progress. A stream of its own takes some 5 KB, and half as long again as the rest of the end.
local function packed_output(attempt, output)
  local args, parts, bytes, last = output.args, { attempt }, 0, 0
  if output.count > RECORD_LINES then return nil end
  for i = output.first, output.first + 4 * (output.count - 1), 4 do
    local number, kind, text = tonumber(args[i]), args[i + 2], args[i + 3]
    bytes = bytes + #text + 32
    if bytes > RECORD_BYTES or (kind ~= 'out' and kind ~= 'err') or not number or number <= last then return nil end
    parts[#parts + 1] = '\n' .. args[i] .. ' ' .. args[i + 1] .. ' ' .. kind .. ' ' .. #text .. '\n' .. text
    last = number
  end
  return table.concat(parts), text_of(bytes)
end

-- Keeps the last output of an attempt, which comes with its end: in the record, which is written then anyway, or in the stream.
local function keep_last_output(batch, job, finish, is_whole)
  if is_whole and not job.log_bytes and keeps_in_records(batch) then
    finish.log, finish.log_bytes = packed_output(finish.number, finish.output)
    if finish.log then return end
  end
  keep_output(batch.queue, job, batch.now_text, finish.number, finish.output)
end

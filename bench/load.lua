-- One workload for wrk, with one thread:
--   wrk -t1 -s load.lua URL -- METHOD PATH SENDING_S LABEL SESSIONS_FILE
-- A line of the file holds a session's id, its user, and a token of that user. Each request
-- is about one of them. Sends until its time is over, then waits for the missing responses, so that what is
-- stored can be compared with what was acknowledged.
local ffi = require("ffi")
ffi.cdef([[
  typedef struct { long s; long ns; } moment;
  int clock_gettime(int clock, moment *now);
]])
local MONOTONIC = 1
local FOREVER_MS = 1000000
local CONTENT_CHARS = 200

local sender

function setup(thread)
  sender = thread
end

local function now_s()
  local now = ffi.new("moment")
  ffi.C.clock_gettime(MONOTONIC, now)
  return tonumber(now.s) + tonumber(now.ns) / 1e9
end

local function sessions_in(file)
  local found = {}
  for line in io.lines(file) do
    local id, user, token = line:match("^(%S+) (%S+) (%S+)$")
    local headers = { Authorization = "Bearer " .. token, ["Content-Type"] = "application/json" }
    found[#found + 1] = { id = id, user = user, headers = headers }
  end
  return found
end

function init(args)
  local method, path, sending_s, label = args[1], args[2], tonumber(args[3]), args[4]
  local sessions = sessions_in(args[5])

  -- wrk calls request() once beforehand, and does not send what it returns.
  sent = -1
  function request()
    sent = sent + 1
    local session = sessions[math.random(#sessions)]
    local place = path:gsub("{(%w+)}", session)
    if path:find("update") == nil then
      return wrk.format(method, place, session.headers)
    end
    local content = label .. ":" .. sent .. " "
    content = content .. string.rep("x", CONTENT_CHARS - #content)
    local body = '{"role":"user","content":"' .. content .. '"}'
    return wrk.format(method, place, session.headers, body)
  end

  if method == "POST" then
    local until_s
    function delay()
      until_s = until_s or now_s() + sending_s
      return now_s() < until_s and 0 or FOREVER_MS
    end
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"sent": %d, "answered": %d, "p50_us": %d, "p99_us": %d, "refused": %d, "broken": %d}\n',
    sender:get("sent"), summary.requests, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end

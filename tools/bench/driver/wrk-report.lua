-- Tells the result as one line of JSON behind what wrk itself prints. os.clock() is the CPU time of all its threads.
function done(summary)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"microseconds":%d,"bytes":%d,"cpuSeconds":%f,"failed":%d}\n',
    summary.requests,
    summary.duration,
    summary.bytes,
    os.clock(),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end

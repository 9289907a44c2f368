-- Run commands in one step, for those who look on; unlike a transaction it works on a server that is full.
-- ARGV: number of commands, each: number of words, word, ...
-- Returns their answers
local answers = {}
for n = 1, num() do
  local words = {}
  for i = 1, num() do words[i] = arg() end
  answers[n] = call(unpack(words))
end
return answers

"""Small tools that know nothing of video: time, threads, folders, counting. Private."""

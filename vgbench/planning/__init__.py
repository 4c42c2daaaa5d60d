"""Planning: the problem a planner sees, the controller around it, and the loop over episodes."""

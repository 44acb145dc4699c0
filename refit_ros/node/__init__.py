"""The ROS 2 node: messages become arrays, the estimator is called, arrays become messages. No mathematics here."""

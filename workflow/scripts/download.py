from unetflow import jobs

"""What several pages share: routing, state, jobs, header and footer; forms and views of one page
stand in the folder of its name.
"""
